//! What is asked of a client's certificate.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use crate::corefile::{Diagnostic, Token};

/// Go's five kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ClientAuth {
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

impl ClientAuth {
    pub(super) fn of(kind: &Token) -> Result<Self, Diagnostic> {
        match kind.text() {
            "nocert" => Ok(Self::None),
            "request" => Ok(Self::Request),
            "require" => Ok(Self::Require),
            "verify_if_given" => Ok(Self::VerifyIfGiven),
            "require_and_verify" => Ok(Self::RequireAndVerify),
            other => Err(kind
                .err(format!("unknown authentication type '{other}'"))
                .help(
                    "the types are: nocert, request, require, verify_if_given, require_and_verify",
                )),
        }
    }

    /// What looks at certificates; `roots` are those of the CA's file.
    pub(super) fn verifier(
        self,
        roots: Option<(&Token, Vec<CertificateDer<'static>>)>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, Diagnostic> {
        let any = |mandatory| {
            Arc::new(AnyCertificate {
                mandatory,
                provider: provider.clone(),
            })
        };
        let optional = match self {
            Self::None => return Ok(Arc::new(NoClientAuth)),
            Self::Request => return Ok(any(false)),
            Self::Require => return Ok(any(true)),
            Self::VerifyIfGiven => true,
            Self::RequireAndVerify => false,
        };
        let Some((file, certificates)) = roots else {
            return Err(Diagnostic::error("client_auth has no CA to verify by")
                .help("write the CA's file: tls CERT KEY CA"));
        };
        let mut store = RootCertStore::empty();
        for certificate in certificates {
            store
                .add(certificate)
                .map_err(|error| file.err(format!("could not read root certs: {error}")))?;
        }
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider.clone());
        let builder = if optional {
            builder.allow_unauthenticated()
        } else {
            builder
        };
        builder
            .build()
            .map(|verifier| verifier as Arc<dyn ClientCertVerifier>)
            .map_err(|error| file.err(format!("could not read root certs: {error}")))
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
