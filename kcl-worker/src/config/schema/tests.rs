use std::collections::BTreeSet;

use kcl_core::model::{StreamId, WorkerId};

use super::*;
use crate::config::Config;
use crate::config::key::{Kind, Preset};
use crate::config::value::Value;

fn config() -> Config {
    Config::new(StreamId::named("orders").unwrap(), WorkerId::new("a").unwrap())
}

#[test]
fn each_setting_has_a_name_of_its_own_and_is_described() {
    let schema = Schema::worker();
    let names: BTreeSet<_> = schema.keys().map(|key| key.name).collect();
    assert_eq!(names.len(), schema.keys().count());
    for key in schema.keys() {
        assert!(key.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", key.name);
        assert!(key.doc.ends_with('.') && !key.accepts().is_empty(), "{}", key.name);
    }
}

/// A document that states another default than the library has would be a lie.
#[test]
fn the_defaults_of_the_schema_are_those_of_the_library() {
    for key in Schema::worker().keys() {
        let Preset::Value(text) = key.default else { continue };
        let mut changed = config();
        key.set(&mut changed, &Value::Text(text.to_owned())).unwrap();
        assert_eq!(changed, config(), "{} is {text}", key.name);
    }
}

/// So that each setting does something: a setter that is a copy of another's would not change what this one should.
#[test]
fn each_number_arrives_in_a_place_of_its_own_and_suits_the_library() {
    let mut results = BTreeSet::new();
    for key in Schema::worker().keys() {
        let (Kind::Whole { range, .. } | Kind::WholeOr { range, .. }) = &key.kind else { continue };
        for number in [*range.start(), *range.end()] {
            let mut changed = config();
            key.set(&mut changed, &Value::Text(number.to_string())).unwrap();
            // These are checked against each other.
            let is_pair = key.name.starts_with("retry_delay") || key.name == "polling_applications";
            let settings = changed.worker_settings_of(WorkerId::new("a").unwrap());
            assert!(is_pair || settings.is_ok(), "{} is {number}: {settings:?}", key.name);
            if changed != config() {
                assert!(results.insert(format!("{changed:?}")), "{} is set by another, too", key.name);
            }
        }
        for text in ["", "x", "-1", "1.5", "99999999999999999999"] {
            let refused = key.set(&mut config(), &Value::Text(text.to_owned())).unwrap_err();
            assert!(refused.starts_with("use a whole number"), "{}: {refused}", key.name);
        }
    }
    assert!(results.len() >= 20, "{}", results.len());
}

#[test]
fn each_word_of_a_choice_means_something_else() {
    for key in Schema::worker().keys() {
        let Kind::Choice(choices) = &key.kind else { continue };
        let set = |word: &str| {
            let mut changed = config();
            key.set(&mut changed, &Value::Text(word.to_owned())).unwrap();
            format!("{changed:?}")
        };
        let meanings: BTreeSet<_> = choices.iter().map(|choice| set(choice.word)).collect();
        assert_eq!(meanings.len(), choices.len(), "{}", key.name);
        assert!(
            key.set(&mut config(), &Value::Text("nonsense".to_owned()))
                .unwrap_err()
                .contains(choices[0].word)
        );
    }
}

#[test]
fn a_program_with_a_processor_of_its_own_has_all_settings_but_those_that_choose_one() {
    let own = Schema::own_processor();
    let left_out: Vec<_> =
        Schema::worker().keys().map(|key| key.name).filter(|name| own.find(name).is_none()).collect();
    assert!(left_out.iter().all(|name| *name == "processor" || name.starts_with("exec_")), "{left_out:?}");
    assert!(left_out.len() > 3 && own.keys().all(|key| !key.name.starts_with("exec_")));
}
