use super::*;

const VALID: &str = r#"
name = "valid"
source = [{ teacher = "program", task = "coin_flip", questions = 10 }]
contract = { prompt = "Q: {question}\nA:", answer_marker = "\n-> ", step_rule = "line", answer = { kind = "yes_no" }, grader = "robust", budgets = { rationale_tokens = 9, answer_tokens = 3 } }
tokenizer = { merges = 300 }
student = { hidden_size = 32, intermediate_size = 64, layers = 1, heads = 2, context_tokens = 64 }
train = { steps = 1 }
"#;

fn plan(text: &str) -> Result<Plan, String> {
    let experiment: Experiment = toml::from_str(text).map_err(|error| error.to_string())?;
    Plan::new(&experiment, Path::new("base"), Path::new("runs")).map_err(|error| error.to_string())
}

#[test]
fn a_short_file_gets_every_default() {
    let plan = plan(VALID).unwrap();
    assert_eq!(plan.folder, Path::new("runs/valid"));
    assert_eq!(plan.filter_grader, Grader::Robust);
    assert_eq!(plan.method, Method::FineTuneCot);
    assert_eq!(plan.parity_prompts, 200);
    assert_eq!(plan.contract.marker(), Some("->"));
}

#[test]
fn criteria_are_resolved_and_default_to_the_published_filter() {
    use crate::filter::{Contamination, Criterion, FilterPlan};
    assert_eq!(plan(VALID).unwrap().filter, FilterPlan::default());
    let filter = "filter = { criteria = [\"rationale\", { contamination = { data = \"d.jsonl\", split = \"s.json:test\" } }], \
                  report = [\"arithmetic\"] }\n";
    let found = plan(&VALID.replacen("student = {", &format!("{filter}student = {{"), 1)).unwrap().filter;
    let split = SplitReference { path: "base/s.json".into(), name: "test".to_owned() };
    let contamination = Contamination { data: "base/d.jsonl".into(), split: Some(split), ngram: 13 };
    let criteria = vec![Criterion::Rationale, Criterion::Contamination(contamination)];
    assert_eq!(found, FilterPlan { criteria, report: vec![Criterion::Arithmetic], ..FilterPlan::default() });
}

#[test]
fn an_export_is_float32_or_a_form_or_the_cheapest_inside_a_tolerance() {
    use crate::export::parity::Tolerance;
    let gate = |export: &str| plan(&format!("{VALID}export = {export}\n")).unwrap().gate;
    assert_eq!(plan(VALID).unwrap().gate, None);
    assert_eq!(gate("{ format = \"float32\" }"), None);
    let cheapest = gate("{ within = \"0.5pp\", data = \"d.jsonl\", split = \"s.json:dev\", questions = 400 }").unwrap();
    assert_eq!((cheapest.format, cheapest.within, cheapest.questions), (None, "0.5pp".parse().unwrap(), 400));
    assert_eq!(cheapest.data.unwrap(), Path::new("base/d.jsonl"));
    assert_eq!(cheapest.split.unwrap().path, Path::new("base/s.json"));
    let four = gate("{ format = \"native-4\" }").unwrap();
    assert_eq!((four.format, four.within), (Some("native-4".parse().unwrap()), Tolerance::ONE_POINT));
    assert_eq!((four.questions, four.data), (1000, None));
}

#[test]
fn vanilla_fine_tuning_drops_the_marker() {
    let vanilla = plan(&format!("method = \"fine_tune\"\n{VALID}")).unwrap();
    assert_eq!(vanilla.contract.answer_marker, None);
}

#[test]
fn every_bad_value_is_named() {
    for (from, to, named) in [
        ("name = \"valid\"", "name = \"../up\"", "`name`"),
        ("steps = 1", "steps = 1, epochs = 1", "`train`"),
        ("steps = 1", "batch_tokens = 1", "`train`"),
        ("steps = 1", "steps = 0", "`train.epochs or steps`"),
        ("steps = 1", "steps = 1, learning_rate = 2.0", "`train.learning_rate`"),
        ("steps = 1", "steps = 1, held_out = 0.0, selection = \"held_out\"", "`train.selection`"),
        ("merges = 300", "merges = 30", "`tokenizer.merges`"),
        ("merges = 300", "merge = 300", "merge"),
        ("heads = 2", "heads = 3", "`student.heads`"),
        ("layers = 1, ", "", "`student.layers`"),
        ("student = {", "student = { checkpoint = \"dir\",", "`student`"),
        ("questions = 10", "questions = 10, items = [3, 2]", "[3, 2]"),
        ("student = {", "filter = { criteria = [\"answers\"] }\nstudent = {", "unknown criterion `answers`"),
        ("student = {", "filter = { criteria = [\"length\"] }\nstudent = {", "expected a table"),
        ("student = {", "filter = { criteria = [{ length = { words = 3 } }] }\nstudent = {", "words"),
        (
            "student = {",
            "filter = { criteria = [{ near_duplicate = { jaccard = 1.5 } }] }\nstudent = {",
            "`near_duplicate`",
        ),
        ("student = {", "filter = { criteria = [\"echo\"], report = [\"echo\"] }\nstudent = {", "expected it once"),
        ("student = {", "filter = { weigh = [\"arithmetic\"] }\nstudent = {", "WeighingTable"),
        ("student = {", "filter = { weigh = [{ criterion = \"arithmetic\" }] }\nstudent = {", "missing field `weight`"),
        (
            "student = {",
            "filter = { weigh = [{ criterion = \"answer\", weight = 0.5 }] }\nstudent = {",
            "criterion `answer``: expected it once",
        ),
        ("{question}", "", "`contract`"),
        ("task = \"coin_flip\"", "task = \"coin_flips\"", "coin_flips"),
        ("student = {", "export = { within = \"1%\" }\nstudent = {", "such as `1pp` or `0.5pp`, found `1%`"),
        ("student = {", "export = { format = \"native-5\" }\nstudent = {", "`native-4`"),
        ("student = {", "export = { format = \"float32\", within = \"1pp\" }\nstudent = {", "`export.within`"),
        ("student = {", "export = { data = \"d.jsonl\" }\nstudent = {", "`export.data`"),
        ("student = {", "export = { within = \"1pp\", split = \"s.json:dev\" }\nstudent = {", "`export.split`"),
        ("student = {", "export = { within = \"1pp\", questions = 0 }\nstudent = {", "`export.questions`"),
        ("steps = 1 }", "steps = 1, held_out = 0.0 }\nexport = { within = \"1pp\" }", "`train.held_out` is 0"),
    ] {
        let error = plan(&VALID.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(named), "`{from}` → `{to}`: {error}");
    }
}

#[test]
fn a_weight_is_above_0_and_at_most_1() {
    let with = |weight: &str| {
        let filter =
            format!("filter = {{ weigh = [{{ criterion = \"arithmetic\", weight = {weight} }}] }}\nstudent = {{");
        plan(&VALID.replacen("student = {", &filter, 1))
    };
    for weight in ["0.25", "1.0", "1"] {
        let weigh = with(weight).unwrap().filter.weigh;
        assert_eq!(weigh.len(), 1);
        assert_eq!(weigh[0].weight.get(), weight.parse::<f64>().unwrap());
    }
    for weight in ["0.0", "-0.5", "1.01", "inf", "nan"] {
        let found: f64 = weight.parse().unwrap();
        let named = "`filter.weigh, criterion `arithmetic``: expected a `weight` above 0, at most 1";
        let error = with(weight).unwrap_err();
        assert!(error.contains(named) && error.ends_with(&format!("found {found}")), "{error}");
    }
}

#[test]
fn the_committed_experiments_are_valid() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut checked = 0;
    for folder in ["models/students", "distill/experiments"] {
        for entry in std::fs::read_dir(workspace.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let files = match ExperimentFile::read(&path) {
                    Err(ExperimentError::Sweep { .. }) => {
                        let variants = Sweep::read(&path).unwrap().variants().unwrap();
                        variants.into_iter().map(|variant| variant.file).collect()
                    }
                    file => match file.unwrap() {
                        ExperimentFile::Training(experiment) => {
                            let rounds = rounds(&experiment, Path::new("runs")).unwrap();
                            rounds.into_iter().map(|round| ExperimentFile::Training(Box::new(round))).collect()
                        }
                        file @ ExperimentFile::Measurement(_) => vec![file],
                    },
                };
                for file in files {
                    match file.plan(path.parent().unwrap(), Path::new("runs")) {
                        // Read with the plan, from data that is not the project's own.
                        Err(ExperimentError::Exemplars(_)) if crate::dataset::tests::shared_data().is_none() => {}
                        plan => drop(plan.unwrap()),
                    }
                }
                checked += 1;
            }
        }
    }
    assert!(checked >= 5, "{checked} experiment files");
}
