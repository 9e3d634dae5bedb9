use super::*;
use std::collections::BTreeSet;

/// Not REST: a WebSocket, and what RFC 9725 and its draft for playback describe.
const ELSEWHERE: &[&str] = &["/api/v1/signal", "/whip/", "/whep/"];
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// `method path` of every route that the router's source names.
fn routes() -> BTreeSet<String> {
    let source = include_str!("../mod.rs");
    let mut found = BTreeSet::new();
    for call in source.split(".route(").skip(1) {
        let mut depth = 1_i32;
        let end = call.find(|c| {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0
        });
        let call = &call[..end.unwrap()];
        let path = call.split('"').nth(1).unwrap();
        let handlers = call.rsplit('"').next().unwrap();
        for method in METHODS {
            let named = handlers
                .match_indices(&format!("{method}("))
                .any(|(at, _)| !handlers[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
            if named && !ELSEWHERE.iter().any(|other| path.starts_with(other)) {
                found.insert(format!("{method} {path}"));
            }
        }
    }
    found
}

#[test]
fn every_route_is_in_the_document_and_nothing_else() {
    let told: BTreeSet<String> = operations::all().map(|o| format!("{} {}", o.method, o.path)).collect();
    assert_eq!(told.len(), operations::all().count(), "one twice");
    let routes = routes();
    assert!(routes.contains("patch /api/v1/exams/{exam}") && routes.contains("post /api/v1/join"));
    assert_eq!(told, routes);
    let ids: BTreeSet<_> = operations::all().map(|operation| operation.id).collect();
    assert_eq!(ids.len(), operations::all().count());
}

/// Every `$ref` in a value.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str));
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let mut found = Vec::new();
    references(&DOCUMENT, &mut found);
    assert!(found.len() > operations::all().count());
    for reference in found {
        let path = reference.strip_prefix('#').unwrap();
        assert!(DOCUMENT.pointer(path).is_some(), "{reference}");
    }
}

#[test]
fn schemas_are_of_the_types_that_travel() {
    let schema = |name: &str| &DOCUMENT["components"]["schemas"][name];
    let exam = &schema("ExamListItem")["properties"];
    assert_eq!(exam["id"]["$ref"], "#/components/schemas/ExamId", "flattened: {exam}");
    assert_eq!(schema("ExamId")["format"], "uuid");
    assert_eq!(
        schema("NewExam")["required"],
        json!(["title", "code", "starts_at", "ends_at"])
    );
    assert!(schema("ErrorCode").to_string().contains("roster_full"));
    let create = &DOCUMENT["paths"]["/api/v1/exams"]["post"];
    assert_eq!(
        create["requestBody"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/NewExam"
    );
    let by_key = json!([{ "token": [] }, { "apiKey": ["exams:write"] }]);
    assert_eq!(create["security"], by_key);
    let users = &DOCUMENT["paths"]["/api/v1/users"]["get"];
    assert_eq!(users["security"], json!([{ "token": [] }]));
    assert_eq!(DOCUMENT["paths"]["/api/v1/join"]["post"]["security"], json!([]));
}

/// Tools read `{"type": ...}`; `true` makes some of them give up.
#[test]
fn every_body_has_a_schema_that_is_an_object() {
    fn contents<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
        match value {
            Value::Object(map) => {
                found.extend(
                    map.get("content")
                        .into_iter()
                        .flat_map(Value::as_object)
                        .flat_map(|media| media.values()),
                );
                map.values().for_each(|inner| contents(inner, found));
            }
            Value::Array(list) => list.iter().for_each(|inner| contents(inner, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    contents(&document["paths"], &mut found);
    assert!(found.len() > 60, "{}", found.len());
    for media in found {
        assert!(media["schema"].is_object(), "{media}");
    }
}
