"""`gapless audit`: the proof, for people and machines."""

from gapless.cli.options import AsJson, InEnvironment, Store, environment


def audit(store: Store = None, json: AsJson = False, env: InEnvironment = None) -> int:
    """Print for every tape what is held, what was repaired, voids and every hole; exit status 1 if there is one."""
    import msgspec

    from gapless.adapters import open_store
    from gapless.query.audit import audit as audit_store
    from gapless.query.audit import audit_object

    found = audit_store(open_store(store, environment=environment(env), readonly=True))
    holes = sum(len(tape.holes) for tape in found)
    if json:
        print(msgspec.json.encode({"tapes": [audit_object(tape) for tape in found], "holes": holes}).decode())
        return 1 if holes else 0
    for tape in found:
        shown = audit_object(tape)
        print(
            f"{tape.tape.name}: {tape.held:,} of {tape.wanted:,} ids held in {tape.intervals} "
            f"interval{'' if tape.intervals == 1 else 's'}, {tape.rows:,} rows, {tape.voids:,} void, "
            f"{tape.repaired:.2%} repaired, {shown['first_time'] or '-'} to {shown['last_time'] or '-'}"
        )
        if tape.expired or tape.ladders_expired:
            print(f"  expired: {tape.expired:,} ids, and the ladders of {tape.ladders_expired:,} minutes")
        for hole in shown["holes"]:
            said = (
                f"  HOLE {hole['first']} to {hole['last']} ({hole['last'] - hole['first'] + 1:,} ids), "
                f"{hole['since'] or '?'} to {hole['until'] or '?'}, {hole['state']}: {hole['cause']} {hole['reason']}"
            )
            print(said.rstrip())
    tapes = f"{len(found)} tape{'' if len(found) == 1 else 's'}"
    print(f"{tapes}, {holes} hole{'' if holes == 1 else 's'}" if holes else f"{tapes}, no hole: complete")
    return 1 if holes else 0
