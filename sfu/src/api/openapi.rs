//! The OpenAPI document (3.1) of the REST calls, made from the table of operations and from the very types that handlers read and
//! write. A test holds the table against the router: a route without a line here fails it.

mod office;
mod operations;

use crate::control::permission;
use axum::Json;
use invigil_shared::api_key::ApiScope;
use invigil_shared::rest::Problem;
use operations::{Input, Operation, Output};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// Adds a type and everything that it is made of to the components, and gives the reference to it.
type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// A JSON object whose members have no type of their own. Not `true`, which JSON Schema would allow: tools read a schema as an object.
fn object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object" })
}

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// `GET /api/v1/openapi.json`.
pub async fn serve() -> Json<&'static Value> {
    Json(&DOCUMENT)
}

fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for operation in operations::all() {
        let described = describe(operation, &mut generator);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = described;
    }
    let problem = of::<Problem>(&mut generator);
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Invigil",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Exams, rosters and the way in. Times are microseconds since the Unix epoch, UTC, unless a field says seconds. \
                            Every error is a problem document (RFC 9457) with a stable code.",
            "license": { "name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "An access token of sign-in, setup, join or resume." },
                "apiKey": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "ivk_KEYID_SECRET",
                    "description": "A key of an institution's system, with one of the scopes that stand beside it.",
                },
            },
            "responses": {
                "Problem": {
                    "description": "What went wrong: a stable code with parameters.",
                    "content": { "application/problem+json": { "schema": problem } },
                },
            },
        },
    })
}

fn describe(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let mut parameters: Vec<Value> = operation
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{').and_then(|part| part.strip_suffix('}')))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "format": "uuid" } }))
        .collect();
    parameters.extend(operation.parameters.iter().map(|parameter| parameter.describe()));
    let mut success = json!({ "description": operation.answer });
    match &operation.output {
        Output::None => {}
        Output::Json(schema) => {
            success["content"] = json!({ "application/json": { "schema": schema(generator) } });
        }
        Output::Csv => success["content"] = json!({ "text/csv": { "schema": { "type": "string" } } }),
    }
    let mut responses = json!({
        operation.status: success,
        "default": { "$ref": "#/components/responses/Problem" },
    });
    for also in operation.also {
        let content = json!({ also.media: { "schema": (also.schema)(generator) } });
        responses[also.status] = json!({ "description": also.answer, "content": content });
    }
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": parameters,
        "responses": responses,
        "security": security(operation),
    });
    let content = match &operation.input {
        Input::None => return described,
        Input::Json(schema) => json!({ "application/json": { "schema": schema(generator) } }),
        Input::Csv => json!({ "text/csv": { "schema": { "type": "string" } } }),
    };
    described["requestBody"] = json!({ "required": true, "content": content });
    described
}

/// What opens it: nothing, a token, or an API key with a scope that does. OpenAPI 3.1 lets scopes be named for any scheme.
fn security(operation: &Operation) -> Value {
    if !operation.token {
        return json!([]);
    }
    let opens = |act| {
        ApiScope::ALL
            .into_iter()
            .filter(move |scope| permission::opens(&[*scope], act))
    };
    let keys = operation.key.into_iter().flat_map(opens);
    let keys = keys.map(|scope| json!({ "apiKey": [scope.as_str()] }));
    std::iter::once(json!({ "token": [] })).chain(keys).collect()
}

#[cfg(test)]
mod tests;
