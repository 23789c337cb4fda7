"""Every table, imported for its effect on the metadata that the migrations are compared with."""

from sqlmodel import SQLModel

from models import agent, audit, ingestion, message, person, project, proposal, run, service, source, task, vectors

metadata = SQLModel.metadata
modules = (agent, audit, ingestion, message, person, project, proposal, run, service, source, task, vectors)
