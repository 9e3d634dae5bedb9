//! The layers over each other, and every mistake at its place.

use super::*;
use clap::{Args, Command, FromArgMatches};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

/// Loads settings as a process does that got these flags, variables and file.
fn load(flags: &[&str], variables: &[(&str, &str)], file: &str) -> Result<ServeConfig, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("invigil-sfu.toml");
    std::fs::write(&path, file).unwrap();
    let matches = Settings::augment_args(Command::new("serve").no_binary_name(true))
        .try_get_matches_from(flags)
        .unwrap();
    let settings = Settings::from_arg_matches(&matches).unwrap();
    let mut variables: BTreeMap<OsString, OsString> = variables.iter().map(|(k, v)| (k.into(), v.into())).collect();
    variables
        .entry("INVIGIL_CONFIG".into())
        .or_insert_with(|| path.clone().into());
    let loaded = settings.load(|name| variables.get(name).cloned());
    let place = format!("{}:", path.display());
    loaded.map_err(|mistakes| {
        let plain = |mistake: &Mistake| mistake.to_string().replace(&place, "FILE:");
        mistakes.0.iter().map(plain).collect()
    })
}

#[test]
fn flags_stand_over_the_environment_over_the_file_over_defaults() {
    let file = "
        [data]
        dir = '/srv/file'
        database = 'postgres://u:p@db.example.org/file'
        [auth]
        issuer = 'file'
        audience = 'file'
        access_token_s = 60
        [media]
        shards = 3
        no_segments = true
        [ice]
        stun = ['stun:a.example.org', 'stun:b.example.org']
    ";
    let variables = [
        ("INVIGIL_ISSUER", "variable"),
        ("INVIGIL_DATABASE", "postgres://u:p@db.example.org/variable"),
        ("INVIGIL_AUDIENCE", "variable"),
        ("INVIGIL_STUN", "stun:c.example.org,stun:d.example.org"),
        ("INVIGIL_NO_SEGMENTS", "0"),
        ("INVIGIL_SHARDS", ""),
        ("INVIGIL_LOG_FORMAT", "json"),
    ];
    let config = load(&["--issuer", "flag", "--development"], &variables, file).unwrap();
    let expected = ServeConfig {
        development: true,
        data: DataConfig {
            data_dir: "/srv/file".into(),
            database: Some("postgres://u:p@db.example.org/variable".into()),
        },
        auth: AuthConfig {
            issuer: "flag".into(),
            audience: "variable".into(),
            access_token_s: 60,
        },
        media: MediaConfig {
            shards: Some(3),
            ..MediaConfig::default()
        },
        ice: IceConfig {
            stun: vec!["stun:c.example.org".into(), "stun:d.example.org".into()],
            ..IceConfig::default()
        },
        log: LogConfig {
            format: LogFormat::Json,
            ..LogConfig::default()
        },
        ..ServeConfig::default()
    };
    assert_eq!(config, expected);
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let file = "[data]
dir = '/srv/x'
[http]
listen = 8443
listne = '[::]:1'
origins = ['https://exam.example.org/']
[media]
announce = ['127.0.0.1', '10.0.0.300']
shards = 3
[auth]
access_token_s = 'long'
[nonsense]
a = 1
";
    let variables = [
        ("INVIGIL_MAX_CONNECTIONS", "many"),
        ("INVIGIL_LOG", "info=info=info"),
        ("INVIGIL_CERT", "/nowhere/certificate.pem"),
    ];
    let mistakes = load(&["--shards", "99"], &variables, file).unwrap_err();
    let expected = [
        ("FILE:4:10: http.listen: ", "expected socket address"),
        ("FILE:5:1: http.listne: ", "expected one of `listen`"),
        ("FILE:6:1: http.origins: ", "without a path"),
        ("FILE:8:", "media.announce: "),
        ("FILE:11:18: auth.access_token_s: ", "expected i64"),
        ("FILE:12:", "unknown field `nonsense`"),
        ("environment INVIGIL_CERT: http.cert: ", "set http.key (--key) as well"),
        ("environment INVIGIL_LOG: log.level: ", "for example info"),
        (
            "environment INVIGIL_MAX_CONNECTIONS: limits.connections: ",
            "invalid digit",
        ),
        ("flag --shards: media.shards: ", "1 to 16"),
    ];
    assert_eq!(mistakes.len(), expected.len(), "{mistakes:#?}");
    for (mistake, (place, words)) in mistakes.iter().zip(expected) {
        assert!(mistake.starts_with(place) && mistake.contains(words), "{mistake}");
    }
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    let mistakes = load(&["--data-dir", "/srv/x"], &[], "[http\n[auth]\nissuer = \n").unwrap_err();
    assert!(mistakes.iter().any(|one| one.starts_with("FILE:1:")), "{mistakes:?}");
    assert!(mistakes.iter().any(|one| one.starts_with("FILE:3:")), "{mistakes:?}");
    let mistakes = load(&["--data-dir", "/srv/x", "--config", "/nowhere/a.toml"], &[], "").unwrap_err();
    assert!(
        matches!(&mistakes[..], [one] if one.starts_with("/nowhere/a.toml:1:1: the file can't be read")),
        "{mistakes:?}"
    );
    let mistakes = load(&[], &[], "").unwrap_err();
    assert!(
        matches!(&mistakes[..], [one] if one.contains("data.dir: it has to be set")),
        "{mistakes:?}"
    );
}

#[test]
fn loopback_media_are_for_development() {
    let dir = "[data]\ndir = '/srv/x'\n[media]\n";
    for (media, setting) in [
        ("announce = ['127.0.0.1']", "media.announce"),
        ("announce = ['203.0.113.9', '::1']", "media.announce"),
        ("listen = ['127.0.0.1:7443']", "media.listen"),
        (
            "listen = ['0.0.0.0:7443', '[::1]:7443']\nannounce = ['203.0.113.9']",
            "media.listen",
        ),
    ] {
        let file = format!("{dir}{media}");
        let mistakes = load(&[], &[], &file).unwrap_err();
        assert!(
            matches!(&mistakes[..], [one] if one.contains(&format!("{setting}: ")) && one.contains("means itself")),
            "{mistakes:?}"
        );
        assert!(load(&["--development"], &[], &file).is_ok());
        assert!(load(&[], &[("INVIGIL_DEVELOPMENT", "yes")], &file).is_ok());
        assert!(load(&[], &[], &format!("development = true\n{file}")).is_ok());
        assert!(load(&["--development=false"], &[], &format!("development = true\n{file}")).is_err());
    }
    // Behind NAT the loopback socket of one family is covered by what is announced for it.
    let behind = format!("{dir}listen = ['127.0.0.1:7443']\nannounce = ['203.0.113.9']");
    assert!(load(&[], &[], &behind).is_ok());
}

/// `section.key` of every setting in the schema.
fn settings() -> BTreeSet<String> {
    let schema = schema();
    let resolve = |value: &serde_json::Value| match value["$ref"].as_str() {
        Some(reference) => schema.pointer(reference.trim_start_matches('#')).unwrap().clone(),
        None => value.clone(),
    };
    let mut settings = BTreeSet::new();
    for (section, value) in schema["properties"].as_object().unwrap() {
        match resolve(value)["properties"].as_object() {
            Some(keys) => settings.extend(keys.keys().map(|key| format!("{section}.{key}"))),
            None => drop(settings.insert(section.clone())),
        }
    }
    settings
}

#[test]
fn each_setting_has_a_key_a_flag_and_a_variable() {
    let command = ServeConfig::augment_args(Command::new("serve"));
    let mut ids = BTreeSet::new();
    for arg in command.get_arguments() {
        let id = arg.get_id().to_string();
        assert!(arg.get_long().is_some(), "{id}");
        let variable = arg.get_env().map(|name| name.to_string_lossy().into_owned());
        assert!(variable.is_some_and(|name| name.starts_with("INVIGIL_")), "{id}");
        assert!(arg.get_help().is_some(), "{id}");
        ids.insert(id);
    }
    assert_eq!(ids, settings());
    // The defaults that the help shows are those of the structs.
    let plain = command
        .no_binary_name(true)
        .mut_args(|arg| arg.env(clap::builder::Resettable::Reset));
    let flags = ["--data-dir=/srv/x", "--development=false", "--no-segments=false"];
    let given = plain.try_get_matches_from(flags).unwrap();
    let expected = ServeConfig {
        data: DataConfig {
            data_dir: "/srv/x".into(),
            database: None,
        },
        ..ServeConfig::default()
    };
    assert_eq!(ServeConfig::from_arg_matches(&given).unwrap(), expected);
}

#[test]
fn the_readme_names_each_setting_and_its_variable() {
    let readme = include_str!("../../README.md");
    let command = ServeConfig::augment_args(Command::new("serve"));
    for arg in command.get_arguments() {
        let row = format!("| `{}` | `--{}", arg.get_id(), arg.get_long().unwrap());
        let line = readme.lines().find(|line| line.starts_with(&row));
        let line = line.unwrap_or_else(|| panic!("the README has no row {row}"));
        let variable = arg.get_env().unwrap().to_string_lossy();
        assert!(line.contains(&format!("`{variable}`")), "{line}: not {variable}");
    }
}

#[test]
fn the_example_file_shows_every_setting() {
    let example = include_str!("../../../installers/linux/invigil-sfu.toml");
    load(&[], &[], example).unwrap();
    // What begins with `#` and no space is a setting that is off.
    let uncommented = |line: &str| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(|c: char| c.is_ascii_lowercase()) => setting.to_owned(),
        _ => line.to_owned(),
    };
    let whole: Vec<String> = example.lines().map(uncommented).collect();
    let table: toml::Table = toml::from_str(&whole.join("\n")).unwrap();
    let mut shown = BTreeSet::new();
    for (section, value) in &table {
        match value.as_table() {
            Some(keys) => shown.extend(keys.keys().map(|key| format!("{section}.{key}"))),
            None => drop(shown.insert(section.clone())),
        }
    }
    assert_eq!(shown, settings());
    toml::from_str::<ServeConfig>(&whole.join("\n")).unwrap();
}
