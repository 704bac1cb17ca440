//! Does a task survive, once, and does the newest of a pull request win?

use super::*;
use crate::forge::{Place, RepoName};

const LONG: Duration = Duration::from_secs(60);

fn place(number: u64) -> Place {
    Place { repo: RepoName::parse("acme/demo").expect("a name"), number, installation: None }
}

fn review(number: u64, asked: bool) -> Task {
    Task::Review { place: place(number), asked }
}

fn arrival(guid: &str, task: Task) -> Arrival {
    Arrival { guid: guid.into(), tasks: vec![task] }
}

fn queue() -> (tempfile::TempDir, Sqlite) {
    let folder = tempfile::tempdir().expect("a folder");
    let queue = Sqlite::open(&folder.path().join("state.db")).expect("a queue");
    (folder, queue)
}

#[test]
fn a_delivery_counts_once() {
    let (_folder, queue) = queue();
    let both = [arrival("a", review(1, false)), arrival("a", review(1, false))];
    assert_eq!(queue.put(&both, 1).expect("put"), [Put::Queued, Put::Known]);
    assert_eq!(queue.put(&both[..1], 2).expect("put"), [Put::Known]);
    assert_eq!(queue.depth().expect("depth").waiting, 1);
}

#[test]
fn the_newest_of_a_pull_request_wins_and_wishes_stay() {
    let (_folder, queue) = queue();
    queue
        .put(&[arrival("a", review(1, true)), arrival("b", review(1, false)), arrival("c", review(2, false))], 1)
        .expect("put");
    assert_eq!(queue.depth().expect("depth").waiting, 2);
    let leased = queue.lease(1, LONG).expect("lease").expect("a task");
    assert_eq!(leased.task, review(1, true));
    queue.put(&[arrival("d", review(1, false))], 2).expect("put");
    // The other pull request is free; this one is being worked on.
    assert_eq!(queue.lease(2, LONG).expect("lease").expect("a task").task, review(2, false));
    assert!(queue.lease(2, LONG).expect("lease").is_none());
    // The older one fails, and gives way.
    let later = Ended::Later { pause: LONG, why: "x".into() };
    assert!(queue.end(&leased, &later, 3).expect("ended"));
    assert_eq!(queue.depth().expect("depth"), Depth { waiting: 1, leased: 1, dead: 0 });
    assert_eq!(queue.lease(3, LONG).expect("lease").expect("a task").task, review(1, false));
}

#[test]
fn a_lease_that_ran_out_does_not_speak_any_more() {
    let (_folder, queue) = queue();
    queue.put(&[arrival("a", review(1, false))], 0).expect("put");
    let first = queue.lease(0, Duration::from_millis(10)).expect("lease").expect("a task");
    assert!(queue.renew(&first, 5, Duration::from_millis(10)).expect("renewed"));
    assert!(queue.lease(14, LONG).expect("lease").is_none());
    let second = queue.lease(16, LONG).expect("lease").expect("a task");
    assert_eq!((second.id, second.attempts), (first.id, 1));
    assert!(!queue.end(&first, &Ended::Done, 17).expect("ended"));
    assert!(!queue.renew(&first, 17, LONG).expect("renewed"));
    assert!(queue.end(&second, &Ended::Done, 18).expect("ended"));
    assert_eq!(queue.depth().expect("depth"), Depth::default());
}

#[test]
fn what_a_killed_process_held_waits_again() {
    let (folder, queue) = queue();
    queue.put(&[arrival("a", review(1, false))], 0).expect("put");
    let held = queue.lease(0, LONG).expect("lease").expect("a task");
    let again = Sqlite::open(&folder.path().join("state.db")).expect("a queue");
    let leased = again.lease(1, LONG).expect("lease").expect("a task");
    assert_eq!(leased.id, held.id);
    assert!(!queue.end(&held, &Ended::Done, 2).expect("ended"), "the old process has no say");
}

#[test]
fn a_dead_letter_is_kept_until_it_is_revived() {
    let (_folder, queue) = queue();
    queue.put(&[arrival("a", review(1, false))], 0).expect("put");
    let leased = queue.lease(0, LONG).expect("lease").expect("a task");
    queue.end(&leased, &Ended::Dead { why: "gone".into() }, 1).expect("ended");
    assert!(queue.lease(2, LONG).expect("lease").is_none());
    let dead = queue.dead().expect("listed");
    assert_eq!((dead.len(), dead[0].why.as_str(), dead[0].attempts), (1, "gone", 1));
    assert_eq!(queue.revive(Some(dead[0].id), 3).expect("revived"), 1);
    assert_eq!(queue.lease(3, LONG).expect("lease").expect("a task").attempts, 0);
}

#[test]
fn a_task_that_cannot_be_read_stops_nobody() {
    let (_folder, queue) = queue();
    queue.put(&[arrival("a", review(1, false)), arrival("b", review(2, false))], 0).expect("put");
    queue.workers().execute("UPDATE task SET task = '{\"task\":\"dance\"}' WHERE id = 1", []).expect("damaged");
    assert!(queue.lease(1, LONG).is_err(), "it is said");
    assert_eq!(queue.lease(1, LONG).expect("lease").expect("the other task").task, review(2, false));
    let dead = queue.dead().expect("listed");
    assert!(dead.len() == 1 && dead[0].why.contains("dance") && dead[0].place == place(1).to_string(), "{dead:?}");
}

#[test]
fn commands_are_all_kept_in_order() {
    let (_folder, queue) = queue();
    let command = |id: u64| {
        let comment = crate::event::Comment {
            id,
            author: "alice".into(),
            body: "@apprentice help".into(),
            to: crate::forge::Where::Pull,
        };
        Task::Command { place: place(1), comment }
    };
    queue.put(&[arrival("a", command(1)), arrival("b", command(2))], 0).expect("put");
    for id in [1, 2] {
        let leased = queue.lease(0, LONG).expect("lease").expect("a task");
        assert_eq!(leased.task, command(id));
        queue.end(&leased, &Ended::Done, 1).expect("ended");
    }
}

#[test]
fn no_question_reads_the_whole_table() {
    let (_folder, queue) = queue();
    let connection = queue.workers();
    let questions = [
        "SELECT id FROM task WHERE place = ?1 AND kind = ?2 AND state = 'waiting'",
        "SELECT id FROM task AS mine WHERE state = 'waiting' AND due <= ?1 AND NOT EXISTS (
             SELECT 1 FROM task WHERE place = mine.place AND state = 'leased') ORDER BY due, id LIMIT 1",
        "UPDATE task SET state = 'waiting' WHERE state = 'leased' AND lease_until < ?1",
        "DELETE FROM task WHERE state = 'ended' AND id < ?1",
        "SELECT count(*) FROM task WHERE state = 'dead'",
    ];
    for question in questions {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {question}")).expect("a plan");
        // The parameters stay unbound: a plan does not need them.
        let steps = plan.raw_query().mapped(|row| row.get::<_, String>(3));
        let steps: Vec<String> = steps.map(|step| step.expect("a step")).collect();
        assert!(steps.iter().all(|step| step.contains("INDEX") || step.contains("SUBQUERY")), "{question}: {steps:?}");
    }
}
