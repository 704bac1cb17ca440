//! Which key does the app sign with, and how?

use crate::{Error, clock};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use serde_json::json;

/// The private key of the forge's own app: made for tests, it opens nothing (PKCS #8, PEM).
pub const TEST_KEY: &str = include_str!("../data/app-key.pem");

fn der(pem: &str) -> Result<Vec<u8>, Error> {
    let body: String = pem.lines().filter(|l| !l.starts_with("-----")).map(str::trim).collect();
    STANDARD.decode(body).map_err(|e| Error::Key(e.to_string()))
}

fn pair(pem: &str) -> Result<KeyPair, Error> {
    let der = der(pem)?;
    let read = if pem.contains("BEGIN RSA PRIVATE KEY") { KeyPair::from_der(&der) } else { KeyPair::from_pkcs8(&der) };
    read.map_err(|e| Error::Key(e.to_string()))
}

/// The public half (PKCS #1, DER) of a private or public key in PEM.
pub(crate) fn public(pem: &str) -> Result<Vec<u8>, Error> {
    if pem.contains("BEGIN RSA PUBLIC KEY") {
        return der(pem);
    }
    if pem.contains("BEGIN PUBLIC KEY") {
        // SubjectPublicKeyInfo of an RSA key: 24 bytes of envelope before the PKCS #1 key, for 2,048 bits and more.
        let der = der(pem)?;
        return der.get(24..).map(<[u8]>::to_vec).ok_or_else(|| Error::Key("too short".to_owned()));
    }
    Ok(pair(pem)?.public().as_ref().to_vec())
}

/// A token signed by the app, good from `from` seconds before now for `life` seconds.
pub fn jwt(pem: &str, issuer: &str, from: i64, life: i64) -> Result<String, Error> {
    let start = clock::real() - from;
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(json!({ "alg": "RS256", "typ": "JWT" }));
    let claims = part(json!({ "iss": issuer, "iat": start, "exp": start + life }));
    let text = format!("{head}.{claims}");
    let pair = pair(pem)?;
    let mut signature = vec![0; pair.public().modulus_len()];
    let random = ring::rand::SystemRandom::new();
    pair.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
        .map_err(|_| Error::Key("cannot sign".to_owned()))?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
