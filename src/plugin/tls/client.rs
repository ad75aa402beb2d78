//! What is asked of a client's certificate.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use crate::corefile::{Diagnostic, Token};

/// What is asked for, and where that is written.
#[derive(Clone, Copy, Default)]
pub(super) struct ClientAuth<'d> {
    kind: Kind,
    place: Option<&'d Token>,
}

/// Go's five kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::plugin) enum Kind {
    /// None is asked for.
    #[default]
    None,
    /// One is asked for; any will do, none too.
    Request,
    /// Any, but one there must be.
    Require,
    /// If there is one, the CA must have signed it.
    VerifyIfGiven,
    /// One that the CA signed.
    RequireAndVerify,
}

impl<'d> ClientAuth<'d> {
    pub(super) fn of(named: &'d Token) -> Result<Self, Diagnostic> {
        let kind = match named.text() {
            "nocert" => Kind::None,
            "request" => Kind::Request,
            "require" => Kind::Require,
            "verify_if_given" => Kind::VerifyIfGiven,
            "require_and_verify" => Kind::RequireAndVerify,
            other => {
                let error = named.err(format!("unknown authentication type '{other}'"));
                return Err(error.help(
                    "the types are: nocert, request, require, verify_if_given, require_and_verify",
                ));
            }
        };
        Ok(Self {
            kind,
            place: Some(named),
        })
    }

    /// What is asked for, in a word.
    pub(super) fn kind(self) -> String {
        format!("{:?}", self.kind)
    }

    /// What looks at certificates; `roots` are those of the CA's file.
    pub(super) fn verifier(
        self,
        roots: Option<(&Token, Vec<CertificateDer<'static>>)>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, Diagnostic> {
        let verifies = matches!(self.kind, Kind::VerifyIfGiven | Kind::RequireAndVerify);
        let mut store = RootCertStore::empty();
        let unread = |file: &Token, error: &dyn std::fmt::Display| {
            file.err(format!("could not read root certs: {error}"))
        };
        let file = match roots {
            Some((file, certificates)) if verifies => {
                for certificate in certificates {
                    store
                        .add(certificate)
                        .map_err(|error| unread(file, &error))?;
                }
                Some(file)
            }
            None if verifies => return Err(self.no_ca()),
            _ => None,
        };
        verifier(self.kind, store, provider).map_err(|error| match file {
            Some(file) => unread(file, &error),
            None => self.no_ca(),
        })
    }
}

/// What looks at certificates of a kind; `roots` are those of the CA, where the kind wants one.
///
/// # Errors
/// There is no CA, and the kind wants one.
pub(in crate::plugin) fn verifier(
    kind: Kind,
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let any = |mandatory| {
        Arc::new(AnyCertificate {
            mandatory,
            provider: provider.clone(),
        })
    };
    let builder =
        || WebPkiClientVerifier::builder_with_provider(Arc::new(roots.clone()), provider.clone());
    let builder = match kind {
        Kind::None => return Ok(Arc::new(NoClientAuth)),
        Kind::Request => return Ok(any(false)),
        Kind::Require => return Ok(any(true)),
        Kind::VerifyIfGiven => builder().allow_unauthenticated(),
        Kind::RequireAndVerify => builder(),
    };
    let verifier = builder.build().map_err(|error| error.to_string())?;
    Ok(verifier)
}

impl ClientAuth<'_> {
    fn no_ca(self) -> Diagnostic {
        let kind = self.place.map_or("", Token::text);
        let error = Diagnostic::error(format!("client_auth {kind} has no CA to verify by"));
        let error = match self.place {
            Some(place) => error.at(place.place()),
            None => error,
        };
        error.help("write the CA's file: tls CERT KEY CA")
    }
}

/// Takes any certificate whose key the client proves to have.
#[derive(Debug)]
struct AnyCertificate {
    mandatory: bool,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
