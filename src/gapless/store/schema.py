"""The schema, as forward-only numbered migrations; each runs in one transaction."""

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE instrument (
        id INTEGER PRIMARY KEY,
        environment TEXT NOT NULL,
        name TEXT NOT NULL,            -- venue:symbol
        price_digits INTEGER NOT NULL, -- of every row of the instrument
        size_digits INTEGER NOT NULL,
        described BLOB NOT NULL,       -- the Instrument, MessagePack
        UNIQUE (environment, name)
    ) STRICT;

    CREATE TABLE tape (
        id INTEGER PRIMARY KEY,
        instrument INTEGER NOT NULL REFERENCES instrument,
        kind TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        began INTEGER,
        ended INTEGER,
        UNIQUE (instrument, kind, epoch)
    ) STRICT;

    CREATE TABLE trade (
        tape INTEGER NOT NULL, seq INTEGER NOT NULL, time INTEGER NOT NULL, price INTEGER NOT NULL,
        size INTEGER NOT NULL, side INTEGER NOT NULL, fills INTEGER NOT NULL, first_fill INTEGER NOT NULL,
        received INTEGER NOT NULL,
        PRIMARY KEY (tape, seq)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE minute (
        tape INTEGER NOT NULL, start INTEGER NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER,
        open INTEGER, high INTEGER, low INTEGER, close INTEGER, volume INTEGER,
        quote_whole INTEGER, quote_frac INTEGER, trades INTEGER,
        taker_buy_volume INTEGER, taker_buy_quote_whole INTEGER, taker_buy_quote_frac INTEGER,
        first_id INTEGER, last_id INTEGER, ladder BLOB,
        PRIMARY KEY (tape, start)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE candle (
        instrument INTEGER NOT NULL, resolution INTEGER NOT NULL, start INTEGER NOT NULL,
        open INTEGER, high INTEGER, low INTEGER, close INTEGER, volume INTEGER,
        quote_whole INTEGER, quote_frac INTEGER, trades INTEGER,
        taker_buy_volume INTEGER, taker_buy_quote_whole INTEGER, taker_buy_quote_frac INTEGER,
        first_id INTEGER NOT NULL, last_id INTEGER NOT NULL,
        state INTEGER NOT NULL, origin INTEGER NOT NULL, proof INTEGER NOT NULL, revision INTEGER NOT NULL,
        marks INTEGER NOT NULL,        -- 1 edge, 2 border, 4 polled, 8 and 16 lent
        written INTEGER NOT NULL,      -- the commit that wrote it
        PRIMARY KEY (instrument, resolution, start)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE revision (
        instrument INTEGER NOT NULL, start INTEGER NOT NULL, revision INTEGER NOT NULL,
        written INTEGER NOT NULL,      -- the commit that wrote it
        replaced INTEGER NOT NULL,     -- the commit that replaced it
        known_at INTEGER NOT NULL, cause TEXT NOT NULL, candle BLOB NOT NULL,
        PRIMARY KEY (instrument, start, revision)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE log (                 -- what each commit brought, in order: the stream's cursors point here
        number INTEGER NOT NULL, item INTEGER NOT NULL, kind TEXT NOT NULL,
        instrument INTEGER NOT NULL, tape INTEGER NOT NULL,
        first INTEGER NOT NULL, last INTEGER NOT NULL, late INTEGER NOT NULL, known_at INTEGER NOT NULL,
        PRIMARY KEY (number, item)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE coverage (
        tape INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
        evidence INTEGER NOT NULL, known_at INTEGER NOT NULL,
        PRIMARY KEY (tape, first)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE wanted (
        tape INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
        PRIMARY KEY (tape, first)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE gap (
        tape INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
        opened INTEGER NOT NULL, closed INTEGER, cause TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (tape, first, last)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX gap_state ON gap (tape, state);

    CREATE TABLE event (
        id INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, detail BLOB NOT NULL
    ) STRICT;
    CREATE INDEX event_at ON event (at);

    CREATE TABLE archive (
        name TEXT PRIMARY KEY, sha256 TEXT NOT NULL, verified INTEGER NOT NULL, rows INTEGER NOT NULL,
        imported_at INTEGER NOT NULL
    ) STRICT;
    """,
    """
    CREATE TABLE signal (              -- every judgement of every signal, in the order they were made
        id INTEGER PRIMARY KEY,
        instrument INTEGER NOT NULL, minutes INTEGER NOT NULL, start INTEGER NOT NULL, kind TEXT NOT NULL,
        judgement INTEGER NOT NULL,    -- counts from 0; the newest one stands
        state TEXT NOT NULL,           -- found, confirmed, withdrawn
        revision INTEGER NOT NULL,     -- of the data that it saw
        proof INTEGER NOT NULL,
        body BLOB NOT NULL,            -- the Signal, MessagePack
        written INTEGER NOT NULL,      -- the commit that wrote it
        known_at INTEGER NOT NULL,
        UNIQUE (instrument, minutes, start, kind, judgement)
    ) STRICT;
    CREATE INDEX signal_time ON signal (instrument, start);

    CREATE TABLE judging (             -- whose bars are judged, since when and by which settings, whoever commits them
        instrument INTEGER PRIMARY KEY, since INTEGER NOT NULL, spec BLOB NOT NULL
    ) STRICT;

    CREATE TABLE unjudged (            -- whose minutes changed, from `first` to `last`, and were not judged since
        instrument INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE expired (             -- what retention dropped: listed, and neither wanted nor held
        tape INTEGER NOT NULL, kind TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (tape, kind, first)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE kept (                -- what was imported or asked for: it stays until somebody names it
        tape INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
        PRIMARY KEY (tape, first)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO kept SELECT tape, first, last FROM coverage WHERE evidence = 1;

    CREATE TABLE delivery (            -- up to where each receiver was given the signals
        target TEXT PRIMARY KEY, number INTEGER NOT NULL, item INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE job (
        name TEXT PRIMARY KEY, last_run INTEGER NOT NULL, result TEXT NOT NULL
    ) STRICT;
    """,
    """
    ALTER TABLE signal ADD COLUMN ended INTEGER GENERATED ALWAYS AS ( -- when the bar closed: midnight cuts the last one
        CASE WHEN minutes > 1440 THEN start + minutes * 60000000000
        ELSE min(start + minutes * 60000000000, start - start % 86400000000000 + 86400000000000) END
    ) VIRTUAL;
    DROP INDEX signal_time;
    CREATE INDEX signal_time ON signal (instrument, ended);
    """,
    """
    CREATE TABLE remark (              -- how a revision of a candle was marked until a commit marked it otherwise
        instrument INTEGER NOT NULL, start INTEGER NOT NULL, number INTEGER NOT NULL,
        revision INTEGER NOT NULL, origin INTEGER NOT NULL, marks INTEGER NOT NULL,
        PRIMARY KEY (instrument, start, number)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX remark_number ON remark (number);
    """,
    """
    CREATE INDEX event_switch ON event (subject, id) WHERE kind = 'source_switch';
    """,
)
