-- What a program without Gleaner would keep of a run: the run with its counters, its batches, and their proposals.
CREATE TABLE peer_runs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    batch_size integer NOT NULL,
    batches integer NOT NULL DEFAULT 0,
    settled integer NOT NULL DEFAULT 0,
    proposals integer NOT NULL DEFAULT 0,
    completed_at timestamptz
);

CREATE TABLE peer_batches (
    run_id uuid NOT NULL REFERENCES peer_runs,
    batch_no integer NOT NULL,
    message_ids uuid[] NOT NULL,
    settled_at timestamptz,
    PRIMARY KEY (run_id, batch_no)
);

CREATE TABLE peer_proposals (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id uuid NOT NULL REFERENCES peer_runs,
    batch_no integer NOT NULL,
    ordinal integer NOT NULL,
    title text NOT NULL,
    description text NOT NULL,
    priority text NOT NULL,
    category text NOT NULL,
    assignee text,
    confidence double precision NOT NULL,
    source_message_ids uuid[] NOT NULL
);
