use super::*;
use crate::experiment::FilePlan;

const BASE: &str = r#"
name = "base"
source = [{ teacher = "program", task = "coin_flip", questions = 10 }, { teacher = "program", task = "coin_flip", questions = 5, seed = 1 }]
contract = { prompt = "Q: {question}\nA:", answer_marker = "\n-> ", step_rule = "line", answer = { kind = "yes_no" }, grader = "robust", budgets = { rationale_tokens = 9, answer_tokens = 3 } }
tokenizer = { merges = 300 }
student = { hidden_size = 32, intermediate_size = 64, layers = 1, heads = 2, context_tokens = 64 }
train = { steps = 1 }
"#;

fn sweep(axes: &str) -> Result<Vec<Variant>, String> {
    let table = toml::from_str(&format!("{BASE}\n[sweep]\n{axes}")).unwrap();
    Sweep::new(table).and_then(|sweep| sweep.variants()).map_err(|error| error.to_string())
}

fn names(axes: &str) -> Vec<String> {
    sweep(axes).unwrap().into_iter().map(|variant| variant.name).collect()
}

fn experiment(variant: &Variant) -> super::super::Experiment {
    match &variant.file {
        ExperimentFile::Training(experiment) => (**experiment).clone(),
        ExperimentFile::Measurement(_) => panic!("{variant:?}"),
    }
}

#[test]
fn axes_are_multiplied_unless_zipped() {
    let axes = "seed = [1, 2]\n\"student.hidden_size\" = [32, 64, 96]";
    assert_eq!(
        names(axes),
        [
            "seed-1_hidden_size-32",
            "seed-1_hidden_size-64",
            "seed-1_hidden_size-96",
            "seed-2_hidden_size-32",
            "seed-2_hidden_size-64",
            "seed-2_hidden_size-96",
        ]
    );
    let zipped = "combine = \"zip\"\nseed = [1, 2]\n\"student.hidden_size\" = [32, 64]";
    assert_eq!(names(zipped), ["seed-1_hidden_size-32", "seed-2_hidden_size-64"]);
}

#[test]
fn every_variant_is_the_experiment_with_its_values() {
    let variants = sweep("\"source.*.questions\" = [7]\n\"source.1.seed\" = [3]\nprediction_tokens = [5]").unwrap();
    let changed = experiment(&variants[0]);
    let FilePlan::Training(plan) = variants[0].file.plan(Path::new("base"), Path::new("runs/base")).unwrap() else {
        panic!("{variants:?}")
    };
    assert_eq!(plan.folder, Path::new("runs/base").join(&variants[0].name));
    assert_eq!(changed.contract.budgets.rationale_tokens, 5);
    let sources = format!("{:?}", changed.source);
    assert_eq!(sources.matches("questions: 7").count(), 2, "{sources}");
    assert!(sources.contains("seed: 0") && sources.contains("seed: 3"), "{sources}");
}

#[test]
fn tables_are_laid_over_and_named_by_their_labels() {
    let axes = "student = [{ label = \"wide\", hidden_size = 64, intermediate_size = 96 }, { layers = 2 }]";
    let variants = sweep(axes).unwrap();
    assert_eq!(names(axes), ["student-wide", "student-1"]);
    let students = variants.iter().map(|variant| experiment(variant).student);
    let sizes: Vec<_> = students.map(|student| (student.hidden_size, student.layers, student.heads)).collect();
    assert_eq!(sizes, [(Some(64), Some(1), Some(2)), (Some(32), Some(2), Some(2))]);
    assert_eq!(variants[0].values, [AxisValue { axis: "student".to_owned(), value: "wide".into() }]);
}

#[test]
fn whole_variants_change_several_tables_at_once() {
    let axes = "[[sweep.variant]]\nlabel = \"small\"\ntrain = { seed = 7 }\nstudent = { layers = 2 }\n[[sweep.variant]]\nlabel = \"few\"\ntraining_rationales = 3";
    let variants = sweep(axes).unwrap();
    assert_eq!(names(axes), ["small", "few"]);
    let [small, few] = [0, 1].map(|place: usize| experiment(&variants[place]));
    assert_eq!((small.train.seed, small.train.steps, small.student.layers), (7, Some(1), Some(2)));
    assert_eq!((few.train.seed, few.training_rationales.map(usize::from)), (0, Some(3)));
}

#[test]
fn a_split_is_trained_and_tested_on() {
    let recorded = BASE.replace(
        "{ teacher = \"program\", task = \"coin_flip\", questions = 10 }",
        "{ teacher = \"recorded\", data = \"d.jsonl\", split = \"s.json:train\", completions = \"c.jsonl\" }",
    );
    let recorded = recorded.replace(", { teacher = \"program\", task = \"coin_flip\", questions = 5, seed = 1 }", "");
    let text = format!(
        "{recorded}\neval = [{{ data = \"d.jsonl\", split = \"s.json:test\" }}]\n[sweep]\nsplit = [\"a/x__default.json\", \"a/x__template.json\"]"
    );
    let variants = Sweep::new(toml::from_str(&text).unwrap()).unwrap().variants().unwrap();
    assert_eq!(
        variants.iter().map(|variant| variant.name.as_str()).collect::<Vec<_>>(),
        ["split-x__default", "split-x__template"]
    );
    let changed = experiment(&variants[1]);
    assert_eq!(changed.eval[0].split.as_ref().unwrap().to_string(), "a/x__template.json:test");
    assert!(format!("{:?}", changed.source).contains("name: \"train\""), "{:?}", changed.source);
}

#[test]
fn methods_can_be_swept_over_one_student() {
    let text = "name = \"methods\"\nmethod = \"random\"\nstudent = { bundle = \"b\" }\neval = [{ data = \"d.jsonl\" }]\n\
                [sweep]\nmethod = [\"random\", \"zero_shot\", \"trained\"]";
    let variants = Sweep::new(toml::from_str(text).unwrap()).unwrap().variants().unwrap();
    assert_eq!(variants.len(), 3);
    assert!(variants.iter().all(|variant| matches!(variant.file, ExperimentFile::Measurement(_))));
}

#[test]
fn bad_axes_are_named() {
    for (axes, named) in [
        ("", "at least one axis"),
        ("seed = []", "`sweep.seed`: expected a list of at least one value"),
        ("seed = 3", "`sweep.seed`: expected a list of values, found 3"),
        ("seeds = [3]", "unknown field `seeds`"),
        ("\"student.hidden_sise\" = [3]", "unknown field `hidden_sise`"),
        ("\"source.2.seed\" = [3]", "`2`, while `source` is a list of 2"),
        ("\"name.first\" = [3]", "`sweep.name.first`"),
        ("degree = [2]", "degree"),
        ("seed = [1, 1]", "`seed-1` twice"),
        ("variant = [3]", "unknown field `variant`"),
        ("split = [3]", "`sweep.split`"),
        ("combine = \"sum\"\nseed = [1]", "`product` or `zip`, found `sum`"),
        ("combine = \"zip\"\nseed = [1]\n\"train.steps\" = [1, 2]", "[1, 2]"),
        ("method = [\"fine_tuned\"]", "`zero_shot_cot`"),
    ] {
        let error = sweep(axes).unwrap_err();
        assert!(error.contains(named), "{axes}: {error}");
    }
}

#[test]
fn a_file_without_a_sweep_is_refused_and_one_with_a_sweep_is_no_experiment() {
    let error = Sweep::new(toml::from_str(BASE).unwrap()).unwrap_err().to_string();
    assert!(error.contains("`sweep`: expected a table of lists, found nothing"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sweep.toml");
    std::fs::write(&path, format!("{BASE}\n[sweep]\nseed = [1]")).unwrap();
    assert!(matches!(ExperimentFile::read(&path), Err(ExperimentError::Sweep { .. })));
}
