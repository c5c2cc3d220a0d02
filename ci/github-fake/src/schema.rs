//! What is wrong with a request's body, by GitHub's description of its interface and by the limits
//! that the description does not give.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::Value;

/// Comments and issues are refused beyond this.
const BODY_CHARS_MAX: usize = 65_536;

fn validators() -> &'static BTreeMap<String, Validator> {
    static VALIDATORS: OnceLock<BTreeMap<String, Validator>> = OnceLock::new();
    VALIDATORS.get_or_init(|| {
        let schemas: BTreeMap<String, Value> =
            serde_json::from_str(include_str!("../schemas/requests.json"))
                .expect("the schemas are JSON");
        let validator = |schema| jsonschema::validator_for(schema).expect("a schema is one");
        schemas
            .iter()
            .map(|(name, schema)| (name.clone(), validator(schema)))
            .collect()
    })
}

/// What is wrong with a body of this kind.
pub(crate) fn violations(kind: &str, body: &Value) -> Vec<String> {
    let validator = &validators()[kind];
    let mut found: Vec<String> = validator
        .iter_errors(body)
        .map(|error| format!("{kind}: {} at {}", error, error.instance_path()))
        .collect();
    let too_long = |text: &Value| {
        text.as_str()
            .is_some_and(|it| it.chars().count() > BODY_CHARS_MAX)
    };
    if too_long(&body["body"]) {
        found.push(format!(
            "{kind}: body is too long (maximum is {BODY_CHARS_MAX} characters)"
        ));
    }
    if kind.ends_with("check_run") {
        if body["status"] == "completed" && body["conclusion"].is_null() {
            found.push(format!("{kind}: completed, and no conclusion"));
        }
        for annotation in body["output"]["annotations"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let long =
                |name: &str, max: usize| annotation[name].as_str().is_some_and(|it| it.len() > max);
            let path = annotation["path"].as_str().unwrap_or_default();
            if long("message", 64 << 10) || long("title", 4 * 255) {
                found.push(format!("{kind}: an annotation is too long"));
            }
            if path.is_empty() || path.starts_with('/') || path.contains("..") {
                found.push(format!("{kind}: {path:?} is no path in a repository"));
            }
            if annotation["start_line"]
                .as_u64()
                .is_none_or(|line| line == 0)
            {
                found.push(format!("{kind}: an annotation has no line"));
            }
        }
    }
    found
}
