# gonogo: one image for web and worker.
FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock

FROM python:3.11-slim
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 GONOGO_DATA=/data
RUN useradd --uid 10001 --create-home gonogo && mkdir /data && chown gonogo /data
COPY --from=build /venv /venv
WORKDIR /app
COPY pyproject.toml README.md ./
COPY app app
COPY templates templates
COPY static static
COPY migrations migrations
COPY plans plans
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation -e .
USER gonogo
VOLUME /data
EXPOSE 8400
CMD ["uvicorn", "app.main:create_app", "--factory", "--host", "0.0.0.0", "--port", "8400", \
     "--timeout-graceful-shutdown", "3", "--timeout-keep-alive", "75", "--no-access-log"]
