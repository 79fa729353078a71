//! Which endpoint a request is for.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::vocabulary::Endpoint;

/// Returns the one of `endpoints` that a request with this method and target (path and query, raw)
/// is for.
pub fn find(endpoints: &'static [Endpoint], method: &str, target: &str) -> Option<Endpoint> {
    let is_meant = |&&(_, known, template): &&Endpoint| known == method && fits(template, target);
    endpoints.iter().find(is_meant).copied()
}

/// Returns the name of that endpoint.
pub fn name(endpoints: &'static [Endpoint], method: &str, target: &str) -> Option<&'static str> {
    find(endpoints, method, target).map(|(name, ..)| name)
}

/// Returns what the target has where an endpoint's template has braces, percent-decoded.
pub fn arguments(template: &str, target: &str) -> Vec<String> {
    let segments = template.split('/').zip(path(target).split('/'));
    segments.filter(|(part, _)| *part == "{}").map(|(_, given)| percent_decoded(given)).collect()
}

/// Returns the path of a target without its query.
pub fn path(target: &str) -> &str {
    target.split_once('?').map_or(target, |(path, _)| path)
}

fn fits(template: &str, target: &str) -> bool {
    // Most templates are another endpoint's, which shows already in what comes before their braces.
    let fixed = template.split_once('{').map_or(template, |(fixed, _)| fixed);
    if !target.starts_with(fixed) {
        return false;
    }
    let mut parts = template.split('/');
    let mut given = path(target).split('/');
    loop {
        match (parts.next(), given.next()) {
            (None, None) => return true,
            (Some("{}"), Some(segment)) if !segment.is_empty() => {}
            (Some(part), Some(segment)) if part == segment => {}
            _ => return false,
        }
    }
}

/// Returns `text` with every escape such as `%41` replaced by its byte.
fn percent_decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Returns `text` as one segment of a path, with everything except unreserved characters escaped.
pub fn percent_encoded(text: &str) -> String {
    const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, &RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::{arguments, find, percent_encoded};
    use crate::vocabulary::ENDPOINTS;

    #[test]
    fn a_target_is_known_by_its_method_and_path_without_the_query() {
        let target = "/_matrix/federation/v1/send/7?x=1/2";
        let name = |method, target| super::name(ENDPOINTS, method, target);
        assert_eq!(name("PUT", target), Some("send"));
        assert_eq!(name("GET", target), None);
        assert_eq!(name("PUT", "/_matrix/federation/v1/send/"), None);
        assert_eq!(name("PUT", "/_matrix/federation/v1/send/7/8"), None);
    }

    #[test]
    fn arguments_are_decoded_and_encoding_is_undone() {
        let target = format!("/_matrix/federation/v1/send_relay/7/{}", percent_encoded("@u:é"));
        let (_, _, template) = find(ENDPOINTS, "PUT", &target).expect("an endpoint");
        assert_eq!(arguments(template, &target), ["7", "@u:é"]);
        assert_eq!(arguments(template, "/_matrix/federation/v1/send_relay/%4/%"), ["%4", "%"]);
    }
}
