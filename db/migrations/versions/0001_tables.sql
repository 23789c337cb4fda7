CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE api_keys (
    id UUID DEFAULT uuidv7() NOT NULL,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    key_hash BYTEA NOT NULL,
    scopes TEXT[] NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT ck_api_keys_scopes CHECK (scopes <@ ARRAY['read', 'review', 'run', 'admin']::text[]),
    UNIQUE (key_hash)
);

CREATE TABLE audit_log (
    id UUID DEFAULT uuidv7() NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    action TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id UUID NOT NULL,
    before JSONB,
    after JSONB,
    PRIMARY KEY (id),
    CONSTRAINT ck_audit_log_actor_kind CHECK (actor_kind IN ('user', 'key', 'system', 'model')),
    CONSTRAINT ck_audit_log_entity_type CHECK (entity_type IN ('run', 'proposal', 'task', 'provider', 'agent', 'task_config', 'assignment', 'project', 'source', 'api_key'))
);
CREATE INDEX ix_audit_log_action ON audit_log (action, at DESC, id DESC);
CREATE INDEX ix_audit_log_actor_id ON audit_log (actor_id, at DESC, id DESC);
CREATE INDEX ix_audit_log_actor_name ON audit_log (actor_name, at DESC, id DESC);
CREATE INDEX ix_audit_log_at ON audit_log (at DESC, id DESC);
CREATE INDEX ix_audit_log_entity_id ON audit_log (entity_id, at DESC, id DESC);
CREATE INDEX ix_audit_log_entity_type ON audit_log (entity_type, at DESC, id DESC);

CREATE TABLE idempotency_keys (
    actor VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    request_hash BYTEA NOT NULL,
    status INTEGER,
    body JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (actor, key)
);
CREATE INDEX ix_idempotency_keys_created ON idempotency_keys (created_at);

CREATE TABLE llm_providers (
    id UUID DEFAULT uuidv7() NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    base_url TEXT,
    api_key_encrypted BYTEA,
    output_mode TEXT DEFAULT 'auto' NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    max_requests_per_minute INTEGER,
    max_tokens_per_minute INTEGER,
    max_concurrency INTEGER,
    input_price_per_mtok NUMERIC(20, 10),
    output_price_per_mtok NUMERIC(20, 10),
    request_timeout_seconds FLOAT DEFAULT 60 NOT NULL,
    validation_status TEXT DEFAULT 'pending' NOT NULL,
    validation_error TEXT,
    validated_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT ck_llm_providers_type CHECK (type IN ('offline', 'openai', 'ollama', 'anthropic', 'google', 'mistral', 'groq', 'azure', 'bedrock')),
    CONSTRAINT ck_llm_providers_output_mode CHECK (output_mode IN ('auto', 'tool', 'native', 'prompted')),
    CONSTRAINT ck_llm_providers_validation_status CHECK (validation_status IN ('pending', 'validating', 'connected', 'error')),
    CONSTRAINT ck_llm_providers_request_timeout_seconds CHECK (request_timeout_seconds > 0),
    UNIQUE (name)
);

CREATE TABLE sources (
    id UUID DEFAULT uuidv7() NOT NULL,
    name TEXT NOT NULL,
    type TEXT DEFAULT 'api' NOT NULL,
    config JSONB DEFAULT '{}' NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT ck_sources_type CHECK (type IN ('slack', 'telegram', 'discord', 'mattermost', 'email', 'irc', 'api')),
    UNIQUE (name)
);

CREATE TABLE task_configs (
    id UUID DEFAULT uuidv7() NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    response_schema JSONB,
    is_active BOOLEAN DEFAULT true NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (name)
);

CREATE TABLE users (
    id UUID DEFAULT uuidv7() NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT,
    email VARCHAR,
    phone VARCHAR,
    avatar_url TEXT,
    is_active BOOLEAN DEFAULT true NOT NULL,
    is_bot BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT ck_users_phone CHECK (phone ~ '^\+?[1-9][0-9]{1,14}$'),
    UNIQUE (email),
    UNIQUE (phone)
);

CREATE TABLE worker_heartbeats (
    worker_id VARCHAR NOT NULL,
    task_queues JSONB DEFAULT '[]' NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (worker_id)
);
CREATE INDEX ix_worker_heartbeats_seen ON worker_heartbeats (seen_at);

CREATE TABLE agent_configs (
    id UUID DEFAULT uuidv7() NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    provider_id UUID NOT NULL,
    model_name TEXT NOT NULL,
    system_prompt TEXT DEFAULT '' NOT NULL,
    temperature FLOAT,
    max_tokens INTEGER,
    is_active BOOLEAN DEFAULT true NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT ck_agent_configs_temperature CHECK (temperature BETWEEN 0 AND 2),
    CONSTRAINT ck_agent_configs_max_tokens CHECK (max_tokens > 0),
    UNIQUE (name),
    FOREIGN KEY(provider_id) REFERENCES llm_providers (id)
);
CREATE INDEX ix_agent_configs_provider_id ON agent_configs (provider_id);

CREATE TABLE message_ingestion_jobs (
    id UUID DEFAULT uuidv7() NOT NULL,
    source_id UUID NOT NULL,
    source_type TEXT NOT NULL,
    source_identifiers JSONB DEFAULT '[]' NOT NULL,
    time_window_start TIMESTAMP WITH TIME ZONE,
    time_window_end TIMESTAMP WITH TIME ZONE,
    status TEXT DEFAULT 'pending' NOT NULL,
    messages_read INTEGER DEFAULT 0 NOT NULL,
    messages_inserted INTEGER DEFAULT 0 NOT NULL,
    messages_updated INTEGER DEFAULT 0 NOT NULL,
    messages_unchanged INTEGER DEFAULT 0 NOT NULL,
    messages_skipped INTEGER DEFAULT 0 NOT NULL,
    skipped JSONB DEFAULT '{}' NOT NULL,
    error_log JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    completed_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT ck_message_ingestion_jobs_status CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
    CONSTRAINT ck_message_ingestion_jobs_source_type CHECK (source_type IN ('slack', 'telegram', 'discord', 'mattermost', 'email', 'irc', 'api')),
    FOREIGN KEY(source_id) REFERENCES sources (id)
);
CREATE INDEX ix_message_ingestion_jobs_created ON message_ingestion_jobs (created_at DESC);
CREATE INDEX ix_message_ingestion_jobs_source_id ON message_ingestion_jobs (source_id);

CREATE TABLE messages (
    id UUID DEFAULT uuidv7() NOT NULL,
    source_id UUID NOT NULL,
    channel TEXT NOT NULL,
    external_id TEXT NOT NULL,
    author TEXT NOT NULL,
    author_id UUID,
    sent_at TIMESTAMP WITH TIME ZONE NOT NULL,
    content TEXT NOT NULL,
    thread_id TEXT,
    reply_to TEXT,
    is_bot BOOLEAN DEFAULT false NOT NULL,
    is_system BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT uq_messages_key UNIQUE (source_id, channel, external_id),
    FOREIGN KEY(source_id) REFERENCES sources (id),
    FOREIGN KEY(author_id) REFERENCES users (id)
);
CREATE INDEX ix_messages_author_id ON messages (author_id);
CREATE INDEX ix_messages_channel ON messages (source_id, channel, sent_at DESC, id DESC);
CREATE INDEX ix_messages_content_trgm ON messages USING gin (content gin_trgm_ops);
CREATE INDEX ix_messages_window ON messages (sent_at, id);

CREATE TABLE project_configs (
    id UUID DEFAULT uuidv7() NOT NULL,
    name TEXT NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    keywords JSONB DEFAULT '[]' NOT NULL,
    glossary JSONB DEFAULT '{}' NOT NULL,
    components JSONB DEFAULT '[]' NOT NULL,
    priority_rules JSONB DEFAULT '{}' NOT NULL,
    default_assignees JSONB DEFAULT '[]' NOT NULL,
    auto_approve JSONB,
    pm_user_id UUID,
    is_active BOOLEAN DEFAULT true NOT NULL,
    version TEXT DEFAULT '1.0.0' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (name),
    FOREIGN KEY(pm_user_id) REFERENCES users (id)
);
CREATE INDEX ix_project_configs_pm_user_id ON project_configs (pm_user_id);

CREATE TABLE provider_limits (
    provider_id UUID NOT NULL,
    requests_left FLOAT NOT NULL,
    tokens_left FLOAT NOT NULL,
    refilled_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    closed_until TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (provider_id),
    FOREIGN KEY(provider_id) REFERENCES llm_providers (id) ON DELETE CASCADE
);

CREATE TABLE telegram_profiles (
    id UUID DEFAULT uuidv7() NOT NULL,
    telegram_user_id BIGINT NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT,
    language_code TEXT,
    is_bot BOOLEAN DEFAULT false NOT NULL,
    is_premium BOOLEAN DEFAULT false NOT NULL,
    user_id UUID NOT NULL,
    source_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (telegram_user_id),
    UNIQUE (user_id),
    FOREIGN KEY(user_id) REFERENCES users (id),
    FOREIGN KEY(source_id) REFERENCES sources (id)
);
CREATE INDEX ix_telegram_profiles_source_id ON telegram_profiles (source_id);

CREATE TABLE agent_task_assignments (
    id UUID DEFAULT uuidv7() NOT NULL,
    agent_id UUID NOT NULL,
    task_id UUID NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    assigned_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT uq_agent_task_assignments UNIQUE (agent_id, task_id),
    FOREIGN KEY(agent_id) REFERENCES agent_configs (id),
    FOREIGN KEY(task_id) REFERENCES task_configs (id)
);
CREATE INDEX ix_agent_task_assignments_task_id ON agent_task_assignments (task_id);

CREATE TABLE tasks (
    id UUID DEFAULT uuidv7() NOT NULL,
    title TEXT NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    status TEXT DEFAULT 'open' NOT NULL,
    priority TEXT DEFAULT 'medium' NOT NULL,
    category TEXT DEFAULT 'feature' NOT NULL,
    tags JSONB DEFAULT '[]' NOT NULL,
    assignee TEXT,
    due_date DATE,
    project_config_id UUID,
    parent_task_id UUID,
    incident_count INTEGER DEFAULT 1 NOT NULL,
    external_system TEXT,
    external_id TEXT,
    external_url TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT ck_tasks_status CHECK (status IN ('open', 'in_progress', 'completed', 'closed', 'withdrawn')),
    CONSTRAINT ck_tasks_priority CHECK (priority IN ('low', 'medium', 'high', 'critical')),
    CONSTRAINT ck_tasks_category CHECK (category IN ('bug', 'feature', 'improvement', 'question', 'chore')),
    CONSTRAINT ck_tasks_parent_task_id CHECK (parent_task_id <> id),
    FOREIGN KEY(project_config_id) REFERENCES project_configs (id),
    FOREIGN KEY(parent_task_id) REFERENCES tasks (id)
);
CREATE INDEX ix_tasks_assignee ON tasks (assignee, created_at DESC, id DESC);
CREATE INDEX ix_tasks_created ON tasks (created_at DESC, id DESC);
CREATE INDEX ix_tasks_parent_task_id ON tasks (parent_task_id);
CREATE INDEX ix_tasks_project ON tasks (project_config_id, created_at DESC, id DESC);
CREATE INDEX ix_tasks_status ON tasks (status, created_at DESC, id DESC);
CREATE INDEX ix_tasks_text_trgm ON tasks USING gin (title gin_trgm_ops, description gin_trgm_ops);
CREATE UNIQUE INDEX uq_tasks_external ON tasks (external_system, external_id);

CREATE TABLE analysis_runs (
    id UUID DEFAULT uuidv7() NOT NULL,
    status TEXT DEFAULT 'pending' NOT NULL,
    stage TEXT,
    paused_reason TEXT,
    trigger_type TEXT DEFAULT 'manual' NOT NULL,
    triggered_by TEXT,
    time_window_start TIMESTAMP WITH TIME ZONE NOT NULL,
    time_window_end TIMESTAMP WITH TIME ZONE NOT NULL,
    agent_assignment_id UUID NOT NULL,
    project_config_id UUID,
    filters JSONB DEFAULT '{}' NOT NULL,
    options JSONB DEFAULT '{}' NOT NULL,
    config_snapshot JSONB DEFAULT '{}' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    start_requested_at TIMESTAMP WITH TIME ZONE,
    started_at TIMESTAMP WITH TIME ZONE,
    working_since TIMESTAMP WITH TIME ZONE,
    completed_at TIMESTAMP WITH TIME ZONE,
    closed_at TIMESTAMP WITH TIME ZONE,
    pending_command TEXT,
    pending_actor JSONB,
    fetched_at TIMESTAMP WITH TIME ZONE,
    prefiltered_at TIMESTAMP WITH TIME ZONE,
    batched_at TIMESTAMP WITH TIME ZONE,
    total_messages_in_window INTEGER DEFAULT 0 NOT NULL,
    messages_after_prefilter INTEGER DEFAULT 0 NOT NULL,
    filtered_by_reason JSONB DEFAULT '{}' NOT NULL,
    batches_created INTEGER DEFAULT 0 NOT NULL,
    batches_completed INTEGER DEFAULT 0 NOT NULL,
    batches_failed INTEGER DEFAULT 0 NOT NULL,
    progress_percent INTEGER DEFAULT 0 NOT NULL,
    proposals_total INTEGER DEFAULT 0 NOT NULL,
    proposals_pending INTEGER DEFAULT 0 NOT NULL,
    proposals_approved INTEGER DEFAULT 0 NOT NULL,
    proposals_rejected INTEGER DEFAULT 0 NOT NULL,
    proposals_merged INTEGER DEFAULT 0 NOT NULL,
    proposals_suppressed INTEGER DEFAULT 0 NOT NULL,
    llm_requests INTEGER DEFAULT 0 NOT NULL,
    input_tokens INTEGER DEFAULT 0 NOT NULL,
    output_tokens INTEGER DEFAULT 0 NOT NULL,
    llm_tokens_used INTEGER DEFAULT 0 NOT NULL,
    cost_estimate NUMERIC(20, 10),
    cache_hits INTEGER DEFAULT 0 NOT NULL,
    error_log JSONB,
    accuracy_metrics JSONB,
    workflow_id TEXT,
    last_seq INTEGER DEFAULT 0 NOT NULL,
    last_event_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT ck_analysis_runs_status CHECK (status IN ('pending', 'running', 'paused', 'completed', 'reviewed', 'closed', 'failed', 'cancelled')),
    CONSTRAINT ck_analysis_runs_stage CHECK (stage IN ('queued', 'fetching', 'prefiltering', 'batching', 'extracting', 'draining', 'held', 'review', 'finished')),
    CONSTRAINT ck_analysis_runs_paused_reason CHECK (paused_reason IN ('requested', 'budget', 'provider_unavailable')),
    CONSTRAINT ck_analysis_runs_trigger_type CHECK (trigger_type IN ('manual', 'scheduled', 'custom')),
    CONSTRAINT ck_analysis_runs_window CHECK (time_window_end > time_window_start),
    CONSTRAINT ck_analysis_runs_proposals CHECK (proposals_total = proposals_pending + proposals_approved + proposals_rejected + proposals_merged AND least(proposals_pending, proposals_approved, proposals_rejected, proposals_merged) >= 0),
    CONSTRAINT ex_analysis_runs_overlap EXCLUDE USING gist (coalesce(project_config_id, '00000000-0000-0000-0000-000000000000'::uuid) WITH =, tstzrange(time_window_start, time_window_end, '[)') WITH &&) WHERE (status IN ('pending', 'running', 'paused', 'completed', 'reviewed')),
    FOREIGN KEY(agent_assignment_id) REFERENCES agent_task_assignments (id),
    FOREIGN KEY(project_config_id) REFERENCES project_configs (id)
);
CREATE INDEX ix_analysis_runs_agent_assignment_id ON analysis_runs (agent_assignment_id);
CREATE INDEX ix_analysis_runs_created ON analysis_runs (created_at DESC, id DESC);
CREATE INDEX ix_analysis_runs_event ON analysis_runs (last_event_at);
CREATE INDEX ix_analysis_runs_project ON analysis_runs (project_config_id, created_at DESC, id DESC);
CREATE INDEX ix_analysis_runs_status ON analysis_runs (status, created_at DESC, id DESC);
CREATE INDEX ix_analysis_runs_trigger ON analysis_runs (trigger_type, created_at DESC, id DESC);

CREATE TABLE analysis_batches (
    run_id UUID NOT NULL,
    batch_no INTEGER NOT NULL,
    status TEXT DEFAULT 'waiting' NOT NULL,
    source_id UUID NOT NULL,
    channel TEXT NOT NULL,
    message_ids UUID[] DEFAULT '{}' NOT NULL,
    message_count INTEGER NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    error TEXT,
    proposals INTEGER DEFAULT 0 NOT NULL,
    llm_requests INTEGER DEFAULT 0 NOT NULL,
    input_tokens INTEGER DEFAULT 0 NOT NULL,
    output_tokens INTEGER DEFAULT 0 NOT NULL,
    cost_usd NUMERIC(20, 10),
    latency_ms INTEGER,
    model TEXT,
    cached BOOLEAN DEFAULT false NOT NULL,
    fingerprint TEXT,
    split_from INTEGER,
    started_at TIMESTAMP WITH TIME ZONE,
    settled_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (run_id, batch_no),
    CONSTRAINT ck_analysis_batches_status CHECK (status IN ('waiting', 'running', 'completed', 'failed', 'split')),
    FOREIGN KEY(run_id) REFERENCES analysis_runs (id) ON DELETE CASCADE,
    FOREIGN KEY(source_id) REFERENCES sources (id)
);
CREATE INDEX ix_analysis_batches_needed ON analysis_batches (fingerprint) WHERE status IN ('waiting', 'running');
CREATE INDEX ix_analysis_batches_unsettled ON analysis_batches (run_id, batch_no) WHERE status IN ('waiting', 'running', 'failed');

CREATE TABLE budget_reservations (
    run_id UUID NOT NULL,
    batch_no INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    state TEXT DEFAULT 'open' NOT NULL,
    reserved_usd NUMERIC(20, 10) NOT NULL,
    spent_usd NUMERIC(20, 10) DEFAULT 0 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (run_id, batch_no, attempt),
    CONSTRAINT ck_budget_reservations_state CHECK (state IN ('open', 'unknown')),
    FOREIGN KEY(run_id) REFERENCES analysis_runs (id) ON DELETE CASCADE
);

CREATE TABLE model_calls (
    id UUID DEFAULT uuidv7() NOT NULL,
    run_id UUID NOT NULL,
    batch_no INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT,
    requests INTEGER DEFAULT 0 NOT NULL,
    input_tokens INTEGER DEFAULT 0 NOT NULL,
    output_tokens INTEGER DEFAULT 0 NOT NULL,
    cost_usd NUMERIC(20, 10),
    latency_ms INTEGER DEFAULT 0 NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(run_id) REFERENCES analysis_runs (id) ON DELETE CASCADE
);
CREATE INDEX ix_model_calls_batch ON model_calls (run_id, batch_no, at);
CREATE INDEX ix_model_calls_run ON model_calls (run_id, outcome, at);

CREATE TABLE model_responses (
    fingerprint VARCHAR NOT NULL,
    run_id UUID NOT NULL,
    model TEXT NOT NULL,
    raw_answer TEXT NOT NULL,
    input_tokens INTEGER DEFAULT 0 NOT NULL,
    output_tokens INTEGER DEFAULT 0 NOT NULL,
    cost_usd NUMERIC(20, 10),
    latency_ms INTEGER DEFAULT 0 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (fingerprint),
    FOREIGN KEY(run_id) REFERENCES analysis_runs (id) ON DELETE CASCADE
);
CREATE INDEX ix_model_responses_created ON model_responses (created_at);
CREATE INDEX ix_model_responses_run_id ON model_responses (run_id);

CREATE TABLE provider_leases (
    run_id UUID NOT NULL,
    batch_no INTEGER NOT NULL,
    provider_id UUID NOT NULL,
    holder UUID NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (run_id, batch_no),
    FOREIGN KEY(run_id) REFERENCES analysis_runs (id) ON DELETE CASCADE,
    FOREIGN KEY(provider_id) REFERENCES llm_providers (id) ON DELETE CASCADE
);
CREATE INDEX ix_provider_leases_provider ON provider_leases (provider_id, expires_at);

CREATE TABLE provider_turns (
    provider_id UUID NOT NULL,
    run_id UUID NOT NULL,
    place_served_at TIMESTAMP WITH TIME ZONE,
    place_wanted_until TIMESTAMP WITH TIME ZONE,
    request_served_at TIMESTAMP WITH TIME ZONE,
    request_wanted_until TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (provider_id, run_id),
    FOREIGN KEY(provider_id) REFERENCES llm_providers (id) ON DELETE CASCADE,
    FOREIGN KEY(run_id) REFERENCES analysis_runs (id) ON DELETE CASCADE
);
CREATE INDEX ix_provider_turns_run_id ON provider_turns (run_id);

CREATE TABLE run_events (
    run_id UUID NOT NULL,
    seq INTEGER NOT NULL,
    event TEXT NOT NULL,
    data JSONB DEFAULT '{}' NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (run_id, seq),
    FOREIGN KEY(run_id) REFERENCES analysis_runs (id) ON DELETE CASCADE
);

CREATE TABLE run_message_chunks (
    run_id UUID NOT NULL,
    chunk_no INTEGER NOT NULL,
    message_ids UUID[] DEFAULT '{}' NOT NULL,
    kept_ids UUID[],
    filtered_by_reason JSONB DEFAULT '{}' NOT NULL,
    last_sent_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_message_id UUID NOT NULL,
    PRIMARY KEY (run_id, chunk_no),
    FOREIGN KEY(run_id) REFERENCES analysis_runs (id) ON DELETE CASCADE
);

CREATE TABLE sweep_findings (
    kind TEXT NOT NULL,
    subject VARCHAR NOT NULL,
    run_id UUID,
    detail TEXT NOT NULL,
    found_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    repaired_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (kind, subject),
    CONSTRAINT ck_sweep_findings_kind CHECK (kind IN ('no_workflow', 'needless_workflow', 'unknown_run', 'counters_disagree')),
    FOREIGN KEY(run_id) REFERENCES analysis_runs (id) ON DELETE CASCADE
);
CREATE INDEX ix_sweep_findings_repaired ON sweep_findings (repaired_at);
CREATE INDEX ix_sweep_findings_run_id ON sweep_findings (run_id);

CREATE TABLE task_proposals (
    id UUID DEFAULT uuidv7() NOT NULL,
    run_id UUID NOT NULL,
    batch_no INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    proposed_title TEXT NOT NULL,
    proposed_description TEXT DEFAULT '' NOT NULL,
    proposed_priority TEXT DEFAULT 'medium' NOT NULL,
    proposed_category TEXT DEFAULT 'feature' NOT NULL,
    proposed_tags JSONB DEFAULT '[]' NOT NULL,
    proposed_assignee TEXT,
    proposed_project_id UUID,
    proposed_parent_id UUID,
    proposed_sub_tasks JSONB DEFAULT '[]' NOT NULL,
    due_date DATE,
    confidence FLOAT NOT NULL,
    reasoning TEXT DEFAULT '' NOT NULL,
    llm_recommendation TEXT DEFAULT 'new_task' NOT NULL,
    source_message_ids UUID[] DEFAULT '{}' NOT NULL,
    evidence JSONB DEFAULT '[]' NOT NULL,
    message_count INTEGER NOT NULL,
    time_span_seconds INTEGER DEFAULT 0 NOT NULL,
    project_config_id UUID,
    project_classification_confidence FLOAT,
    project_keywords_matched JSONB DEFAULT '[]' NOT NULL,
    similar_task_id UUID,
    similar_proposal_id UUID,
    similarity_score FLOAT,
    similarity_type TEXT DEFAULT 'none' NOT NULL,
    diff_summary JSONB,
    status TEXT DEFAULT 'pending' NOT NULL,
    suppressed_reason TEXT,
    task_id UUID,
    merged_into_id UUID,
    withdrawn_task_id UUID,
    own_evidence JSONB,
    review_action TEXT,
    reject_reason TEXT,
    review_notes TEXT,
    reviewed_by TEXT,
    reviewed_at TIMESTAMP WITH TIME ZONE,
    edited_at TIMESTAMP WITH TIME ZONE,
    model TEXT NOT NULL,
    prompt_version TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT uq_task_proposals_key UNIQUE (run_id, batch_no, ordinal),
    CONSTRAINT ck_task_proposals_status CHECK (status IN ('pending', 'approved', 'rejected', 'merged', 'suppressed')),
    CONSTRAINT ck_task_proposals_proposed_priority CHECK (proposed_priority IN ('low', 'medium', 'high', 'critical')),
    CONSTRAINT ck_task_proposals_proposed_category CHECK (proposed_category IN ('bug', 'feature', 'improvement', 'question', 'chore')),
    CONSTRAINT ck_task_proposals_llm_recommendation CHECK (llm_recommendation IN ('new_task', 'update_existing', 'merge', 'reject')),
    CONSTRAINT ck_task_proposals_similarity_type CHECK (similarity_type IN ('exact_messages', 'semantic', 'none')),
    CONSTRAINT ck_task_proposals_reject_reason CHECK (reject_reason IN ('not_a_task', 'already_done', 'duplicate', 'wrong_details', 'other')),
    CONSTRAINT ck_task_proposals_suppressed_reason CHECK (suppressed_reason IN ('rejected_before', 'pending_elsewhere', 'known_task')),
    CONSTRAINT ck_task_proposals_review_action CHECK (review_action IN ('approve', 'reject', 'merge', 'edit')),
    CONSTRAINT ck_task_proposals_confidence CHECK (confidence BETWEEN 0 AND 1),
    CONSTRAINT ck_task_proposals_similarity_score CHECK (similarity_score BETWEEN 0 AND 1),
    CONSTRAINT ck_task_proposals_proposed_title CHECK (char_length(proposed_title) BETWEEN 1 AND 200),
    CONSTRAINT ck_task_proposals_suppressed CHECK ((status = 'suppressed') = (suppressed_reason IS NOT NULL)),
    CONSTRAINT ck_task_proposals_source_message_ids CHECK (cardinality(source_message_ids) >= 1),
    FOREIGN KEY(run_id) REFERENCES analysis_runs (id) ON DELETE CASCADE,
    FOREIGN KEY(proposed_project_id) REFERENCES project_configs (id),
    FOREIGN KEY(proposed_parent_id) REFERENCES tasks (id),
    FOREIGN KEY(project_config_id) REFERENCES project_configs (id),
    FOREIGN KEY(similar_task_id) REFERENCES tasks (id),
    FOREIGN KEY(similar_proposal_id) REFERENCES task_proposals (id) ON DELETE SET NULL,
    FOREIGN KEY(task_id) REFERENCES tasks (id),
    FOREIGN KEY(merged_into_id) REFERENCES task_proposals (id),
    FOREIGN KEY(withdrawn_task_id) REFERENCES tasks (id)
);
CREATE INDEX ix_task_proposals_confidence ON task_proposals (confidence DESC, id DESC);
CREATE INDEX ix_task_proposals_evidence ON task_proposals USING gin (source_message_ids);
CREATE INDEX ix_task_proposals_merged_into_id ON task_proposals (merged_into_id);
CREATE INDEX ix_task_proposals_project ON task_proposals (project_config_id, confidence DESC, id DESC);
CREATE INDEX ix_task_proposals_proposed_parent_id ON task_proposals (proposed_parent_id);
CREATE INDEX ix_task_proposals_proposed_project_id ON task_proposals (proposed_project_id);
CREATE INDEX ix_task_proposals_run ON task_proposals (run_id, confidence DESC, id DESC);
CREATE INDEX ix_task_proposals_similar_proposal_id ON task_proposals (similar_proposal_id);
CREATE INDEX ix_task_proposals_similar_task_id ON task_proposals (similar_task_id);
CREATE INDEX ix_task_proposals_status ON task_proposals (status, confidence DESC, id DESC);
CREATE INDEX ix_task_proposals_task_id ON task_proposals (task_id);
CREATE INDEX ix_task_proposals_title_trgm ON task_proposals USING gin (proposed_title gin_trgm_ops);
CREATE INDEX ix_task_proposals_withdrawn_task_id ON task_proposals (withdrawn_task_id);
