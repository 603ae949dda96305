//! The id under which other services know the work that a request is part of.

use axum::http::HeaderMap;

/// The root of an AWS X-Ray trace (`1-58406520-a006649127e371903a2de979`), or the trace id of a W3C Trace Context (32
/// hexadecimal digits), as the request brought it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceId(pub String);

impl TraceId {
    /// The root in `x-amzn-trace-id`, which Lambda sets on every request; where there is none, the id in `traceparent`.
    /// What has another form is not taken.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let root = text("x-amzn-trace-id").and_then(x_ray_root);
        root.or_else(|| text("traceparent").and_then(w3c_trace)).map(|id| Self(id.to_owned()))
    }
}

/// `Root=` among the `;`-separated fields: version 1, 8 hexadecimal digits of time and 24 of randomness
/// (<https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>).
fn x_ray_root(header: &str) -> Option<&str> {
    let root = header.split(';').find_map(|field| field.trim().strip_prefix("Root="))?;
    let (time, random) = root.strip_prefix("1-")?.split_once('-')?;
    (is_hex(time, 8) && is_hex(random, 24)).then_some(root)
}

/// The second of the `-`-separated fields (<https://www.w3.org/TR/trace-context/#traceparent-header>); all zeros is no id.
fn w3c_trace(header: &str) -> Option<&str> {
    let mut fields = header.split('-');
    let (version, id, parent) = (fields.next()?, fields.next()?, fields.next()?);
    let valid = is_hex(version, 2) && version != "ff" && is_hex(id, 32) && is_hex(parent, 16);
    (valid && id.bytes().any(|digit| digit != b'0')).then_some(id)
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&'static str, &'static str)]) -> Option<String> {
        let headers = headers.iter().map(|(name, value)| {
            (axum::http::HeaderName::from_static(name), axum::http::HeaderValue::from_static(value))
        });
        TraceId::of(&headers.collect()).map(|id| id.0)
    }

    const X_RAY: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_root_of_x_ray_comes_before_the_trace_of_w3c() {
        assert_eq!(
            of(&[("x-amzn-trace-id", X_RAY), ("traceparent", W3C)]).as_deref(),
            Some("1-5759e988-bd862e3fe1be46a994272793")
        );
        let balanced = "Self=1-67891234-12456789abcdef012345678;Root=1-67891233-abcdef012345678912345678";
        assert_eq!(
            of(&[("x-amzn-trace-id", balanced)]).as_deref(),
            Some("1-67891233-abcdef012345678912345678")
        );
        assert_eq!(of(&[("traceparent", W3C)]).as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    }

    #[test]
    fn what_is_no_trace_id_is_not_taken() {
        for header in
            ["", "Root=", "Root=someone@example.org", "Root=1-5759e988-bd86", "Parent=53995c3f42cd8ad8"]
        {
            assert_eq!(of(&[("x-amzn-trace-id", header)]), None, "{header}");
        }
        let zeros = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        for header in ["", "00", zeros, "00-someone@example.org-00f067aa0ba902b7-01", &W3C[..40]] {
            assert_eq!(of(&[("traceparent", header)]), None, "{header}");
        }
    }
}
