//! Verdicts over restarts, in a directory that may be broken.

use super::*;

#[tokio::test(start_paused = true)]
async fn g5_a_restart_begins_with_the_verdicts_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = || Some(Store::new(directory.path()));
    let stand = Stand::new(model([0, 1, 2]), store(), act(true));
    pass_time(SECOND * 10).await;
    let before = stand.checker.verdicts();
    assert_eq!(before.to_vec(), [Verdict::Down, Verdict::Up, Verdict::Up]);
    stand.checker.shutdown().await;
    let runs = stand.checker.counts().runs;
    pass_time(SECOND * 20).await;
    assert_eq!((stand.checker.verdicts(), stand.checker.counts().runs), (before, runs), "nothing runs any more");

    let mut after = model([0, 1, 2]);
    after.probes[1].definition = 7;
    let stand = Stand::new(after, store(), |_, _| Act::Hang);
    assert_eq!(stand.checker.verdicts().to_vec(), [Verdict::Down, Verdict::Unchecked, Verdict::Up]);
    assert!(stand.checker.problems().is_empty());
    assert!(stand.checker.report()[0].since_ms.is_some());
    drop(stand);

    let mut old = store().unwrap().load_verdicts().unwrap();
    old.values_mut().for_each(|kept| kept.seen_ms -= 60 * 60 * 1000);
    store().unwrap().save_verdicts(&old).unwrap();
    let stand = Stand::new(model([0, 1, 2]), store(), |_, _| Act::Hang);
    assert_eq!(stand.checker.verdicts().to_vec(), [Verdict::Unchecked; 3], "an hour old");
}

#[tokio::test(start_paused = true)]
async fn g5_verdicts_are_kept_soon_after_they_change_without_a_shutdown() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(directory.path());
    let stand = Stand::new(model([0, 1]), Some(store.clone()), act(true));
    pass_time(SECOND * 5).await;
    let kept = store.load_verdicts().unwrap();
    assert_eq!(kept.values().map(|kept| kept.verdict).collect::<Vec<_>>(), [Verdict::Down, Verdict::Up]);
    drop(stand);
}

#[tokio::test(start_paused = true)]
async fn g5_a_shutdown_keeps_what_was_not_written_yet() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(directory.path());
    let stand = Stand::new(model([0]), Some(store.clone()), act(false));
    pass_time(SECOND / 2).await;
    assert!(store.load_verdicts().unwrap().is_empty(), "written a second after the last time");
    stand.checker.shutdown().await;
    assert_eq!(store.load_verdicts().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn verdicts_that_change_all_the_time_are_written_once_a_second() {
    let directory = tempfile::tempdir().unwrap();
    let mut restless = model([0]);
    let check = &mut restless.checks[0];
    (check.interval, check.timeout) = (Duration::from_millis(100), Duration::from_millis(50));
    (check.fall, check.rise) = (1, 1);
    let store = Store::new(directory.path());
    let stand = Stand::new(restless, Some(store), |_, run| if run % 2 == 0 { Act::Fail } else { Act::Pass });
    let mut stamps = std::collections::BTreeSet::new();
    for _ in 0..100 {
        pass_time(Duration::from_millis(100)).await;
        stamps.extend(fs::metadata(directory.path().join("verdicts.json")).and_then(|file| file.modified()).ok());
    }
    assert!(*stand.checker.subscribe().borrow() > 90);
    assert!((8..=12).contains(&stamps.len()), "{}", stamps.len());
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_of_verdicts_is_told_and_probing_begins_without() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("verdicts.json"), "rhumb-verdicts-1 00\n{}").unwrap();
    let stand = Stand::new(model([0]), Some(Store::new(directory.path())), act(false));
    assert_eq!(stand.verdict(0), Verdict::Unchecked);
    let problems = stand.checker.problems();
    assert!(problems[0].contains("does not match its checksum"), "{problems:?}");
    pass_time(SECOND * 5).await;
    assert_eq!(stand.verdict(0), Verdict::Up);
}

#[tokio::test(start_paused = true)]
async fn a_state_directory_that_cannot_be_written_is_told_and_probing_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("state");
    fs::write(&place, "a file where the directory should be").unwrap();
    let stand = Stand::new(model([0]), Some(Store::new(&place)), act(false));
    pass_time(SECOND * 5).await;
    assert_eq!(stand.verdict(0), Verdict::Up);
    let problems = stand.checker.problems();
    assert!(problems.iter().any(|problem| problem.contains("cannot be kept")), "{problems:?}");
    fs::remove_file(&place).unwrap();
    pass_time(SECOND * 65).await;
    assert!(!stand.checker.problems().iter().any(|problem| problem.contains("cannot be kept")));
    assert_eq!(Store::new(&place).load_verdicts().unwrap().len(), 1);
}
