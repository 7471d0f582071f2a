//! Which fault is due when: the schedule of one cell as a pure value.

use keepalive_lab_clock::Monotonic;
use keepalive_lab_scenario::end::{End, EndEvent, Ends};
use keepalive_lab_scenario::fault::{Fault, Trigger};

/// Turns what happens to the ends into deadlines of faults.
#[derive(Clone, Debug)]
pub struct Schedule {
    waiting: Vec<Waiting>,
    connected: Ends<Option<Monotonic>>,
}

/// A fault that has no deadline yet.
#[derive(Clone, Debug)]
struct Waiting {
    fault: usize,
    trigger: Trigger,
}

/// A fault and the moment it is to come into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its place in the scenario's list.
    pub fault: usize,
    /// The absolute deadline.
    pub at: Monotonic,
}

impl Schedule {
    /// The schedule of these faults. Those before the connection are not in it: see [`before_connect`].
    pub fn new(faults: &[Fault]) -> Self {
        let waiting = faults
            .iter()
            .enumerate()
            .filter(|(_, fault)| fault.trigger != Trigger::Start)
            .map(|(index, fault)| Waiting { fault: index, trigger: fault.trigger.clone() })
            .collect();
        Self { waiting, connected: Ends::default() }
    }

    /// Takes note of an event at one end and returns the faults that have a deadline because of it,
    /// earliest first; each fault is returned once in the schedule's life.
    pub fn note(&mut self, end: End, event: EndEvent, at: Monotonic) -> Vec<Due> {
        if event == EndEvent::Connected {
            self.connected.get_mut(end).get_or_insert(at);
        }
        let both_up = match (self.connected.client, self.connected.server) {
            (Some(client), Some(server)) => Some(client.max(server)),
            _ => None,
        };
        let mut due = Vec::new();
        self.waiting.retain(|waiting| {
            let deadline = match waiting.trigger {
                Trigger::At(after) => both_up.map(|up| up + after),
                Trigger::After { end: of, event: awaited, plus } => {
                    (of == end && awaited == event).then(|| at + plus)
                }
                Trigger::Start => None,
            };
            due.extend(deadline.map(|at| Due { fault: waiting.fault, at }));
            deadline.is_none()
        });
        due.sort_by_key(|due| (due.at, due.fault));
        due
    }

    /// Faults that still wait for an event; when the cell stops they never came into force.
    pub fn never_due(&self) -> impl Iterator<Item = usize> {
        self.waiting.iter().map(|waiting| waiting.fault)
    }
}

/// The faults that come into force before the client's `connect()`, in the order of the file.
pub fn before_connect(faults: &[Fault]) -> impl Iterator<Item = usize> {
    faults.iter().enumerate().filter(|(_, fault)| fault.trigger == Trigger::Start).map(|(i, _)| i)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keepalive_lab_scenario::fault::{Action, Heal};
    use proptest::prelude::*;

    use super::*;

    fn faults(triggers: &[Trigger]) -> Vec<Fault> {
        let fault = |trigger: &Trigger| Fault {
            name: String::new(),
            trigger: trigger.clone(),
            action: Action::Heal(Heal::All),
        };
        triggers.iter().map(fault).collect()
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn at_counts_from_the_later_of_the_two_ends_connected() {
        let mut schedule = Schedule::new(&faults(&[Trigger::At(Duration::from_secs(5))]));
        assert_eq!(schedule.note(End::Client, EndEvent::Connected, at(10)), []);
        let due = schedule.note(End::Server, EndEvent::Connected, at(11));
        assert_eq!(due, [Due { fault: 0, at: at(16) }]);
        assert_eq!(schedule.note(End::Server, EndEvent::Connected, at(12)), [], "only once");
    }

    #[test]
    fn after_waits_for_the_first_such_event_at_that_end() {
        let after =
            Trigger::After { end: End::Client, event: EndEvent::Error, plus: Duration::from_secs(42) };
        let mut schedule = Schedule::new(&faults(&[after]));
        assert_eq!(schedule.note(End::Server, EndEvent::Error, at(1)), []);
        assert_eq!(schedule.note(End::Client, EndEvent::Closed, at(2)), []);
        assert_eq!(schedule.note(End::Client, EndEvent::Error, at(3)), [Due { fault: 0, at: at(45) }]);
        assert_eq!(schedule.note(End::Client, EndEvent::Error, at(4)), []);
    }

    #[test]
    fn faults_due_at_one_moment_keep_the_order_of_the_file() {
        let at_five = Trigger::At(Duration::from_secs(5));
        let at_four = Trigger::At(Duration::from_secs(4));
        let mut schedule = Schedule::new(&faults(&[at_five.clone(), at_four, at_five]));
        schedule.note(End::Client, EndEvent::Connected, at(0));
        let due = schedule.note(End::Server, EndEvent::Connected, at(0));
        assert_eq!(due.iter().map(|due| due.fault).collect::<Vec<_>>(), [1, 0, 2]);
    }

    #[test]
    fn faults_before_the_connection_are_no_part_of_the_schedule() {
        let all = faults(&[Trigger::Start, Trigger::At(Duration::ZERO), Trigger::Start]);
        assert_eq!(before_connect(&all).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(Schedule::new(&all).never_due().collect::<Vec<_>>(), [1]);
    }

    fn any_trigger() -> impl Strategy<Value = Trigger> {
        let end = prop_oneof![Just(End::Client), Just(End::Server)];
        let event = prop::sample::select(EndEvent::ALL.to_vec());
        prop_oneof![
            Just(Trigger::Start),
            (0u64..100).prop_map(|s| Trigger::At(Duration::from_secs(s))),
            (end, event, 0u64..100).prop_map(|(end, event, s)| Trigger::After {
                end,
                event,
                plus: Duration::from_secs(s)
            }),
        ]
    }

    proptest! {
        #[test]
        fn each_fault_is_due_at_most_once_and_never_before_its_event(
            triggers in prop::collection::vec(any_trigger(), 0..12),
            events in prop::collection::vec((any::<bool>(), 0usize..4), 0..20),
        ) {
            let all = faults(&triggers);
            let mut schedule = Schedule::new(&all);
            let mut seen = Vec::new();
            for (second, (client, event)) in events.into_iter().enumerate() {
                let end = if client { End::Client } else { End::Server };
                let now = at(second as u64);
                for due in schedule.note(end, EndEvent::ALL[event], now) {
                    prop_assert!(due.at >= now || matches!(triggers[due.fault], Trigger::At(_)));
                    seen.push(due.fault);
                }
            }
            seen.extend(schedule.never_due());
            seen.extend(before_connect(&all));
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..all.len()).collect::<Vec<_>>());
        }
    }
}
