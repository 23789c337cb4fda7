ARG PYTHON=3.11.17-slim-trixie

FROM python:${PYTHON} AS dependencies
COPY requirements-runtime.lock /
# Wheels alone: no compiler is there, and no package runs code of its own while it is installed.
RUN python -m venv --without-pip /opt/gleaner \
    && python -m pip --python /opt/gleaner/bin/python install --no-cache-dir --disable-pip-version-check \
        --require-hashes --only-binary :all: --requirement /requirements-runtime.lock

FROM python:${PYTHON}
ARG VERSION=0.5.0
LABEL org.opencontainers.image.title="Gleaner" \
    org.opencontainers.image.description="Turns team chat into reviewed tasks, as durable Temporal workflows." \
    org.opencontainers.image.version="${VERSION}"
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin gleaner
COPY --from=dependencies /opt/gleaner /opt/gleaner
COPY . /app
# The command, and byte code for a file system that can't be written to.
RUN printf '%s\n' '#!/opt/gleaner/bin/python' 'from cli import main' 'main()' > /opt/gleaner/bin/gleaner \
    && chmod 0755 /opt/gleaner/bin/gleaner \
    && /opt/gleaner/bin/python -m compileall -q /app
ENV PATH=/opt/gleaner/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001:10001
EXPOSE 8000
ENTRYPOINT ["gleaner"]
CMD ["serve"]
