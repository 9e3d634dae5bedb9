//! The layers: flags over environment over file over defaults, into the structs of the sections.
//!
//! Clap knows flags, variables and defaults of a setting; here only its flags are left to it. A value of the environment is given
//! to it as a flag of its own, so that a wrong one is a mistake among others instead of the end.

use super::ServeConfig;
use super::file;
use super::mistake::{Mistakes, Place, Report};
use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};
use std::error::Error as _;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

const FILE_FLAG: &str = "config";
const FILE_VARIABLE: &str = "INVIGIL_CONFIG";

/// The flags that were given, and where the rest stands.
#[derive(Clone, Debug)]
pub struct Settings {
    flags: ArgMatches,
}

/// A setting as the command line knows it.
struct Known {
    /// `section.key`, as in the file.
    id: String,
    flag: String,
    variable: Option<OsString>,
}

impl Settings {
    /// Reads and checks everything. `variable` looks a variable of the environment up; an empty one counts as not set.
    ///
    /// # Errors
    /// Every mistake that there is.
    pub fn load(&self, variable: impl Fn(&OsStr) -> Option<OsString>) -> Result<ServeConfig, Mistakes> {
        let variable = |name: &OsStr| variable(name).filter(|value| !value.is_empty());
        let mut report = Report::default();
        let path = self
            .flags
            .get_one::<PathBuf>(FILE_FLAG)
            .cloned()
            .or_else(|| variable(OsStr::new(FILE_VARIABLE)).map(PathBuf::from));
        let mut config: ServeConfig = path.map_or_else(ServeConfig::default, |path| file::read(&path, &mut report));

        let plain = ServeConfig::augment_args_for_update(Command::new("settings").no_binary_name(true));
        let known = known(&plain);
        let plain = plain.mut_args(only_flag);
        for setting in &known {
            let Some((name, value)) = setting.variable.as_ref().and_then(|name| Some((name, variable(name)?))) else {
                continue;
            };
            let place = Place::Environment(name.to_string_lossy().into_owned());
            let mut argument = OsString::from(format!("--{}=", setting.flag));
            argument.push(value);
            let read = plain.clone().try_get_matches_from([argument]);
            match read.and_then(|one| config.update_from_arg_matches(&one)) {
                Ok(()) => report.stands(&setting.id, place),
                Err(error) => report.mistake_at(place, Some(&setting.id), reason(&error)),
            }
        }
        for setting in &known {
            if self.flags.value_source(&setting.id) == Some(ValueSource::CommandLine) {
                report.stands(&setting.id, Place::Flag(format!("--{}", setting.flag)));
            }
        }
        if let Err(error) = config.update_from_arg_matches(&self.flags) {
            report.mistake_at(Place::Flag(String::new()), None, reason(&error));
        }
        config.check(&mut report);
        report.finish().map(|()| config)
    }
}

fn known(command: &Command) -> Vec<Known> {
    let known = |arg: &Arg| {
        Some(Known {
            id: arg.get_id().to_string(),
            flag: arg.get_long()?.to_owned(),
            variable: arg.get_env().map(OsStr::to_owned),
        })
    };
    command.get_arguments().filter_map(known).collect()
}

/// Takes variable and default from clap's hands.
fn only_flag(arg: Arg) -> Arg {
    arg.env(Resettable::Reset)
        .default_value(Resettable::Reset)
        .required(false)
}

/// The same, and both stand in the help.
fn explained(arg: Arg) -> Arg {
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let defaults: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    if !defaults.is_empty() {
        help += &format!(" [default: {}]", defaults.join(","));
    }
    if let Some(variable) = arg.get_env() {
        help += &format!(" [env: {}]", variable.to_string_lossy());
    }
    only_flag(arg).help(help)
}

/// Clap's words for one wrong value, without those about usage.
fn reason(error: &clap::Error) -> String {
    if let Some(source) = error.source() {
        return source.to_string();
    }
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("error: ").unwrap_or(first).to_owned()
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self { flags: matches.clone() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.flags = matches.clone();
        Ok(())
    }
}

impl Args for Settings {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(FILE_FLAG)
            .long(FILE_FLAG)
            .env(FILE_VARIABLE)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Settings in TOML; flags and variables stand above it");
        ServeConfig::augment_args_for_update(command.arg(file)).mut_args(explained)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
