//! A bearer token that is kept in a file, which changes.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::header::HeaderValue;
use tokio::time::Instant;

use super::failure::Failure;

/// How long a token that was read is used. The kubelet renews it long before it ends.
const KEPT: Duration = Duration::from_secs(60);

/// The token in a file, read again each minute.
#[derive(Debug)]
pub(super) struct Token {
    file: PathBuf,
    read: Mutex<(HeaderValue, Instant)>,
}

impl Token {
    pub(super) fn read(file: PathBuf) -> Result<Self, Failure> {
        let header = header(&file)?;
        Ok(Self {
            read: Mutex::new((header, Instant::now())),
            file,
        })
    }

    /// Where it is.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The value of the header `Authorization`. A file that cannot be read any more leaves the last
    /// token: some put it there at start only.
    pub(super) fn header(&self) -> HeaderValue {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.1.elapsed() >= KEPT {
            if let Ok(header) = header(&self.file) {
                read.0 = header;
            }
            read.1 = Instant::now();
        }
        read.0.clone()
    }
}

fn header(file: &Path) -> Result<HeaderValue, Failure> {
    let refused = |why: &dyn std::fmt::Display| {
        let file = file.display();
        Failure::Access(format!("the token file {file} cannot be used: {why}"))
    };
    let token = std::fs::read_to_string(file).map_err(|error| refused(&error))?;
    let token = token.trim();
    if token.is_empty() {
        return Err(refused(&"it is empty"));
    }
    let mut header = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| refused(&"it holds more than one line"))?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_read_again_each_minute_and_kept_if_it_cannot_be() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "one\n").unwrap();
        let token = Token::read(file.clone()).unwrap();
        std::fs::write(&file, "two").unwrap();
        assert_eq!(token.header(), "Bearer one");
        tokio::time::advance(KEPT).await;
        assert_eq!(token.header(), "Bearer two");
        std::fs::remove_file(&file).unwrap();
        tokio::time::advance(KEPT).await;
        assert_eq!(token.header(), "Bearer two");
    }

    #[test]
    fn what_is_no_token_is_told_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let error = || match Token::read(file.clone()) {
            Err(error) => error
                .to_string()
                .replace(&file.display().to_string(), "FILE"),
            Ok(_) => "a token".to_owned(),
        };
        assert_eq!(
            error(),
            "the token file FILE cannot be used: No such file or directory (os error 2)"
        );
        std::fs::write(&file, " \n").unwrap();
        assert_eq!(error(), "the token file FILE cannot be used: it is empty");
        std::fs::write(&file, "a\nb\n").unwrap();
        assert_eq!(
            error(),
            "the token file FILE cannot be used: it holds more than one line"
        );
    }
}
