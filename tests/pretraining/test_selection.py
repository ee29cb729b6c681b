"""Which evaluation is the best one, and when a run stops early."""

from paddle_wwm.pretraining.selection import Selection


def after(losses, *, warmup=0, phases=None):
    selection = Selection()
    for step, loss in enumerate(losses, start=1):
        phase = phases[step - 1] if phases else 0
        selection = selection.after(loss, step=step, phase=phase, in_warmup=step <= warmup)
    return selection


def test_the_first_of_equal_losses_is_the_best():
    assert after([3.0, 2.0, 2.0, 2.5]) == Selection(best_step=2, best_loss=2.0, num_worse=2)


def test_a_run_stops_after_as_many_worse_evaluations_as_its_patience():
    assert [after([1.0, *[2.0] * count]).stops(patience=2) for count in range(4)] == [False, False, True, True]
    assert not after([1.0, 2.0, 2.0, 2.0]).stops(patience=0)


def test_worse_evaluations_during_warmup_do_not_count():
    assert after([1.0, 2.0, 2.0, 2.0], warmup=3).num_worse == 1


def test_losses_of_another_phase_are_not_compared():
    assert after([1.0, 5.0, 4.0], phases=[0, 1, 1]) == Selection(phase=1, best_step=3, best_loss=4.0)
