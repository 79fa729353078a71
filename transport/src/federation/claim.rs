//! Whose a request claims to be: the `X-Matrix` credentials in its `Authorization` headers
//! (server-server API, "Request Authentication").
//!
//! Not ruma's reader, which takes the first header alone and no colons outside of quotes: the
//! specification asks that both be taken.

use http::{HeaderMap, header};
use ruma::{
    OwnedServerName, OwnedServerSigningKeyId, api::federation::authentication::XMatrix,
    serde::Base64,
};

use crate::error::MatrixError;

/// Credentials of one request: one for each key that it is signed with.
const MAX_CLAIMS: usize = 4;

/// Returns the credentials of a request, one at least, all of one origin.
///
/// # Errors
/// 401 `M_UNAUTHORIZED`: there are none, or they are not what they should be.
pub fn claims(headers: &HeaderMap) -> Result<Vec<XMatrix>, MatrixError> {
    let refused = |problem: &str| MatrixError::unauthorized(format!("Authorization: {problem}"));
    let mut claims: Vec<XMatrix> = Vec::new();
    for value in headers.get_all(header::AUTHORIZATION) {
        let Ok(text) = value.to_str() else { continue };
        let Some(parameters) = parameters_of(text) else { continue };
        let claim = read(parameters).map_err(|problem| refused(&problem))?;
        if claims.first().is_some_and(|first| first.origin != claim.origin) {
            return Err(refused("a request has one origin, and this one names several"));
        }
        if claims.len() == MAX_CLAIMS {
            return Err(refused(&format!("more than {MAX_CLAIMS} signatures under one request")));
        }
        claims.push(claim);
    }
    if claims.is_empty() {
        return Err(refused("there is no X-Matrix signature under this request"));
    }
    Ok(claims)
}

/// Returns what follows the name of the scheme; `None` for another one.
fn parameters_of(header: &str) -> Option<&str> {
    let (scheme, parameters) = header.trim().split_once([' ', '\t'])?;
    scheme.eq_ignore_ascii_case(XMatrix::AUTH_SCHEME).then_some(parameters)
}

/// Reads the parameters. Those that are not known are left out, as the specification may add some.
fn read(mut parameters: &str) -> Result<XMatrix, String> {
    let [mut origin, mut destination, mut key, mut sig] = [const { None::<String> }; 4];
    loop {
        parameters = parameters.trim_start_matches([' ', '\t', ',']);
        if parameters.is_empty() {
            break;
        }
        let (name, rest) = parameters.split_once('=').ok_or("a parameter has no value")?;
        let (value, rest) = value(rest.trim_start_matches([' ', '\t']))?;
        parameters = rest;
        let known = match name.trim_end().to_ascii_lowercase().as_str() {
            "origin" => &mut origin,
            "destination" => &mut destination,
            "key" => &mut key,
            "sig" => &mut sig,
            _ => continue,
        };
        if known.replace(value).is_some() {
            return Err(format!("{:.20} is there twice", name.trim_end()));
        }
    }
    let missing = |name: &str| format!("{name} is missing");
    let server = |name: String| {
        OwnedServerName::try_from(name.as_str())
            .map_err(|error| format!("{name:.255} is not a server name: {error}"))
    };
    let origin = server(origin.ok_or_else(|| missing("origin"))?)?;
    let key = key.ok_or_else(|| missing("key"))?;
    let key = OwnedServerSigningKeyId::try_from(key.as_str())
        .map_err(|error| format!("{key:.255} is not the id of a key: {error}"))?;
    let sig = Base64::parse(sig.ok_or_else(|| missing("sig"))?)
        .map_err(|error| format!("sig is not base64: {error}"))?;
    let destination = destination.map(server).transpose()?;
    let mut claim = XMatrix::new(origin.clone(), origin, key, sig);
    claim.destination = destination;
    Ok(claim)
}

/// Returns a value, without its quotes, and what follows it. Outside of quotes it may have any
/// characters but commas: older servers write colons there.
fn value(text: &str) -> Result<(String, &str), &'static str> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(',').unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return Ok((value.trim_end().to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &quoted[at + 1..])),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(character),
        }
    }
    Err("a quote does not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims_of(values: &[&str]) -> Result<Vec<XMatrix>, MatrixError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().expect("this is a header"));
        }
        claims(&headers)
    }

    fn claim(value: &str) -> (String, Option<String>, String, String) {
        let [claim] = &claims_of(&[value]).unwrap_or_else(|error| panic!("{value}: {error}"))[..]
        else {
            panic!("one claim")
        };
        let destination = claim.destination.as_ref().map(ToString::to_string);
        (claim.origin.to_string(), destination, claim.key.to_string(), claim.sig.encode())
    }

    #[test]
    fn every_spelling_of_the_specification_is_the_same_claim() {
        let said = ("a:1".to_owned(), Some("b:2".to_owned()), "ed25519:k".to_owned(), "aa/+");
        for value in [
            r#"X-Matrix origin="a:1",destination="b:2",key="ed25519:k",sig="aa/+""#,
            "X-Matrix origin=a:1,destination=b:2,key=ed25519:k,sig=aa/+",
            "x-matrix   sig=aa/+ , key=ed25519:k\t,origin=\"a:1\",DESTINATION = b:2",
            r#"X-Matrix origin="a\:1",new="x,y=\"z\"",destination="b:2",key="ed25519:k",sig="aa/+","#,
        ] {
            let (origin, destination, key, sig) = claim(value);
            assert_eq!((origin, destination, key, sig.as_str()), said, "{value}");
        }
    }

    #[test]
    fn other_schemes_are_passed_over_and_several_signatures_are_taken() {
        let one = "X-Matrix origin=a,destination=b,key=ed25519:1,sig=aaaa";
        let two = "X-Matrix origin=a,key=ed25519:2,sig=bbbb";
        let claims = claims_of(&["Bearer x", one, "Basic", two]).unwrap();
        assert_eq!(
            claims.iter().map(|it| it.key.as_str()).collect::<Vec<_>>(),
            ["ed25519:1", "ed25519:2"]
        );
        assert!(claims_of(&[one; MAX_CLAIMS + 1]).is_err());
        assert!(claims_of(&["Bearer x"]).is_err() && claims_of(&[]).is_err());
    }

    #[test]
    fn a_request_has_one_origin() {
        let of = |origin: &str| format!("X-Matrix origin={origin},key=ed25519:1,sig=aaaa");
        assert!(claims_of(&[&of("a"), &of("b")]).is_err());
    }

    #[test]
    fn what_is_no_claim_is_refused() {
        for value in [
            "X-Matrix origin=a,key=ed25519:1",
            "X-Matrix origin=a,origin=a,key=ed25519:1,sig=aaaa",
            "X-Matrix origin=a b,key=ed25519:1,sig=aaaa",
            "X-Matrix origin=a,key=1,sig=aaaa",
            "X-Matrix origin=a,key=ed25519:1,sig=!",
            "X-Matrix origin=\"a,key=ed25519:1,sig=aaaa",
            "X-Matrix origin",
        ] {
            let refused = claims_of(&[value]).unwrap_err();
            assert_eq!(refused.status.as_u16(), 401, "{value}");
        }
    }
}
