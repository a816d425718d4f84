//! Judges what clients were answered while a disk failed. Pure.

use std::time::{Duration, Instant};

use testkit::steady::{Answer, Verdict};

use super::cases::{Effect, Extent};

/// How long writes may be refused after the disk has healed. The promise is 2 s; a busy machine is given more, and what was
/// measured is printed.
pub(super) const RESUME_BOUND: Duration = Duration::from_secs(5);

/// What a call meets whose strace lets go between its beginning and its end: not made, and with an error that no disk has.
const LET_GO: &str = "Function not implemented";

/// When a fault was in force.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// From here on it surely was.
    pub(super) since: Instant,
    /// The last moment at which it surely was, and the first at which it surely was not; none if it lasts.
    pub(super) healed: Option<(Instant, Instant)>,
}

/// What was expected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) effect: Effect,
    pub(super) extent: Extent,
    /// What a refused client reads, one or the other.
    pub(super) reasons: [&'static str; 2],
}

/// What the answers say.
#[derive(Clone, Debug, Default)]
pub(super) struct Judgement {
    pub(super) acked: usize,
    pub(super) executed: usize,
    pub(super) refused: usize,
    /// From the end of the fault, or from the first error of one that came once, to the next acknowledgement.
    pub(super) resumed_after: Option<Duration>,
    pub(super) findings: Vec<String>,
}

/// Judges the answers of all clients together.
pub(super) fn judge(answers: &[Answer], window: Window, expected: Expected) -> Judgement {
    let mut judgement = Judgement::default();
    for answer in answers {
        match &answer.verdict {
            Verdict::Acked => judgement.acked += 1,
            Verdict::Executed(text) => {
                judgement.executed += 1;
                judgement.check_text(text, expected);
            }
            Verdict::Refused(text) => {
                judgement.refused += 1;
                judgement.check_text(text, expected);
            }
        }
    }
    let first_error = answers.iter().filter(|a| a.verdict != Verdict::Acked).map(|a| a.answered).min();
    match expected.effect {
        Effect::RefusesAtOnce => judgement.check_acks(answers, window.since, window.healed, "the fault came"),
        Effect::Refuses if expected.extent != Extent::Once => match first_error {
            Some(noticed) => judgement.check_acks(answers, noticed, window.healed, "the server noticed"),
            None => judgement.findings.push("no write was refused".to_owned()),
        },
        Effect::Refuses | Effect::RefusesInTurns | Effect::FailsRewrite | Effect::Nothing | Effect::Open => {}
    }
    let healed = match expected.extent {
        Extent::Once => first_error,
        Extent::UntilHealed if first_error.is_some() => window.healed.map(|(_, surely)| surely),
        Extent::UntilHealed | Extent::UntilKilled | Extent::Deadly => None,
    };
    judgement.check_resumption(answers, healed);
    judgement
}

impl Judgement {
    fn check_text(&mut self, text: &str, expected: Expected) {
        let refuses = expected.effect.refuses();
        let [first, second] = expected.reasons;
        let wanted = [first, second, LET_GO].map(|why| format!("MISCONF Errors writing to the AOF file: {why}"));
        let finding = match refuses {
            true if wanted.iter().any(|wanted| text.starts_with(wanted)) => return,
            true => format!("a write was refused with {text:?}"),
            false => format!("a write was refused though the log was well: {text:?}"),
        };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// Nothing asked from `from` on may be acknowledged while the fault lasts.
    fn check_acks(&mut self, answers: &[Answer], from: Instant, healed: Option<(Instant, Instant)>, since: &str) {
        let early = |a: &&Answer| {
            let meanwhile = healed.is_none_or(|(until, _)| a.answered < until);
            a.verdict == Verdict::Acked && a.asked > from && meanwhile
        };
        let early = answers.iter().filter(early).count();
        if early > 0 {
            self.findings.push(format!("{early} writes were acknowledged after {since}, before the disk healed"));
        }
    }

    fn check_resumption(&mut self, answers: &[Answer], healed: Option<Instant>) {
        let Some(healed) = healed else { return };
        let acks = answers.iter().filter(|a| a.verdict == Verdict::Acked && a.answered > healed);
        self.resumed_after = acks.map(|a| a.answered - healed).min();
        match self.resumed_after {
            None => self.findings.push("writes were not acknowledged again".to_owned()),
            Some(after) if after > RESUME_BOUND => {
                self.findings.push(format!("writes were refused for {after:?} after the disk had healed"));
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REASON: &str = "Input/output error";

    fn refused() -> Verdict {
        Verdict::Refused(format!("MISCONF Errors writing to the AOF file: {REASON}"))
    }

    /// Answers a millisecond after they were asked, at these milliseconds; the fault lasts from 100 to 200.
    fn judged(answers: &[(u64, Verdict)], effect: Effect, extent: Extent) -> Judgement {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let answers: Vec<Answer> = answers
            .iter()
            .map(|(ms, verdict)| Answer { asked: at(*ms), answered: at(ms + 1), verdict: verdict.clone() })
            .collect();
        let window = Window { since: at(100), healed: Some((at(200), at(210))) };
        judge(&answers, window, Expected { effect, extent, reasons: [REASON, REASON] })
    }

    #[test]
    fn refusals_and_then_acks_pass_and_the_time_between_is_measured() {
        let answers = [(50, Verdict::Acked), (120, refused()), (300, Verdict::Acked)];
        let judgement = judged(&answers, Effect::RefusesAtOnce, Extent::UntilHealed);
        assert_eq!(judgement.findings, [""; 0]);
        assert_eq!(judgement.resumed_after, Some(Duration::from_millis(91)));
    }

    #[test]
    fn an_ack_while_nothing_can_be_written_is_found() {
        let answers = [(120, Verdict::Acked), (130, refused()), (300, Verdict::Acked)];
        assert_eq!(judged(&answers, Effect::RefusesAtOnce, Extent::UntilHealed).findings.len(), 1);
        assert_eq!(judged(&answers, Effect::Refuses, Extent::UntilHealed).findings, [""; 0], "it had not noticed yet");
    }

    #[test]
    fn an_ack_after_the_server_has_noticed_is_found() {
        let answers = [(120, refused()), (140, Verdict::Acked), (300, Verdict::Acked)];
        assert_eq!(judged(&answers, Effect::Refuses, Extent::UntilHealed).findings.len(), 1);
        assert_eq!(judged(&answers, Effect::Refuses, Extent::Once).findings, [""; 0]);
    }

    #[test]
    fn a_server_that_does_not_resume_is_found() {
        let never = judged(&[(120, refused()), (300, refused())], Effect::Refuses, Extent::UntilHealed);
        assert!(never.findings[0].contains("not acknowledged again"));
        let late = judged(&[(120, refused()), (9_000, Verdict::Acked)], Effect::Refuses, Extent::UntilHealed);
        assert_eq!(late.findings.len(), 1);
    }

    #[test]
    fn a_refusal_with_other_words_or_without_need_is_found() {
        let odd = (120, Verdict::Refused("ERR no".to_owned()));
        let judgement = judged(&[odd, (300, Verdict::Acked)], Effect::Refuses, Extent::UntilHealed);
        assert_eq!(judgement.findings.len(), 1);
        let needless = judged(&[(120, refused()), (300, Verdict::Acked)], Effect::Nothing, Extent::UntilHealed);
        assert_eq!(needless.findings.len(), 1);
    }
}
