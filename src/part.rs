//! Parts of a search that share nothing, as the command line or the environment of a job names them.

use std::{env, str::FromStr};

use explore::sources::Shard;

/// A part: `2/3`, `auto/3` or `auto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part(pub(crate) Shard);

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        read(text, |name| env::var(name).ok())
    }
}

fn read(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Part, String> {
    let refused = || format!("`{text}` is not a part: write `2/3` for the second of three");
    let number = |text: &str| text.parse::<u64>().map_err(|_| refused());
    let (part, of) = match text.split_once('/') {
        None if text == "auto" => (None, None),
        Some(("auto", of)) => (None, Some(number(of)?)),
        Some((part, of)) => (Some(number(part)?), Some(number(of)?)),
        None => return Err(refused()),
    };
    let (index, of) = match (part, of) {
        (Some(part), Some(of)) => (part.checked_sub(1).ok_or_else(refused)?, of),
        (_, of) => {
            let job = job(variable)?;
            let of = of.or(job.of).ok_or_else(|| {
                format!(
                    "{} tells which part this is, and nothing of how many: write `auto/N`",
                    job.by
                )
            })?;
            (job.index, of)
        }
    };
    if index >= of {
        return Err(format!("part {} of {of} is none: there are parts 1 to {of}", index + 1));
    }
    Ok(Part(Shard { index, of }))
}

/// Which part a job is, as its environment tells.
struct Job {
    by: &'static str,
    index: u64,
    of: Option<u64>,
}

/// Reads which part this is: of an indexed job of Kubernetes, a Slurm array, or GitLab's `parallel`.
fn job(variable: impl Fn(&str) -> Option<String>) -> Result<Job, String> {
    const KUBERNETES: &str = "JOB_COMPLETION_INDEX";
    const SLURM: &str = "SLURM_ARRAY_TASK_ID";
    const GITLAB: &str = "CI_NODE_INDEX";
    let number = |name: &str| {
        let text = variable(name)?;
        Some(
            text.trim()
                .parse::<u64>()
                .map_err(|_| format!("{name} is `{text}`, which is no number")),
        )
    };
    if let Some(index) = number(KUBERNETES).transpose()? {
        return Ok(Job { by: KUBERNETES, index, of: None });
    }
    if let Some(id) = number(SLURM).transpose()? {
        let first = number("SLURM_ARRAY_TASK_MIN").transpose()?.unwrap_or(0);
        let step = number("SLURM_ARRAY_TASK_STEP").transpose()?.unwrap_or(1).max(1);
        let of = number("SLURM_ARRAY_TASK_COUNT").transpose()?;
        return Ok(Job { by: SLURM, index: id.saturating_sub(first) / step, of });
    }
    if let Some(index) = number(GITLAB).transpose()? {
        let index =
            index.checked_sub(1).ok_or_else(|| format!("{GITLAB} is 0: it begins with 1"))?;
        return Ok(Job { by: GITLAB, index, of: number("CI_NODE_TOTAL").transpose()? });
    }
    Err(format!("no {KUBERNETES}, {SLURM} or {GITLAB} tells which part this is: write `2/3`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str, environment: &[(&str, &str)]) -> Result<(u64, u64), String> {
        let variable = |name: &str| {
            let known = environment.iter().find(|(known, _)| *known == name);
            known.map(|(_, value)| (*value).to_owned())
        };
        read(text, variable).map(|Part(shard)| (shard.index, shard.of))
    }

    #[test]
    fn a_part_is_written_or_read_from_the_environment_of_a_job() {
        assert_eq!(part("2/3", &[]), Ok((1, 3)));
        assert_eq!(part("auto/4", &[("JOB_COMPLETION_INDEX", "3")]), Ok((3, 4)));
        let slurm = [
            ("SLURM_ARRAY_TASK_ID", "14"),
            ("SLURM_ARRAY_TASK_MIN", "10"),
            ("SLURM_ARRAY_TASK_STEP", "2"),
            ("SLURM_ARRAY_TASK_COUNT", "5"),
        ];
        assert_eq!(part("auto", &slurm), Ok((2, 5)));
        assert_eq!(part("auto", &[("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "2")]), Ok((0, 2)));
    }

    #[test]
    fn what_names_no_part_is_refused() {
        for text in ["0/3", "4/3", "x", "2", "auto", "auto/x", "1/0"] {
            assert!(part(text, &[]).is_err(), "{text}");
        }
        assert!(
            part("auto", &[("JOB_COMPLETION_INDEX", "3")])
                .expect_err("no count")
                .contains("auto/N")
        );
        assert!(part("auto/3", &[("JOB_COMPLETION_INDEX", "3")]).is_err());
    }
}
