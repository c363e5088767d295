# Two stages: the first builds the wheel and installs it with its locked dependencies, the second
# only carries what runs. tests/test_deploy.py runs these very steps in a clean environment.
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml LICENSE README.md ./
COPY locks ./locks
COPY service ./service
RUN python -m venv /build \
    && /build/bin/pip install --no-cache-dir --require-hashes -r locks/build.txt \
    && /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --require-hashes -r locks/runtime.txt \
    && /venv/bin/pip install --no-cache-dir --no-deps /wheels/*.whl

FROM python:3.12-slim
# A Space runs its container as user 1000.
RUN useradd --uid 1000 --create-home jobhook
USER jobhook
WORKDIR /home/jobhook
COPY --from=build /venv /venv
COPY --chown=jobhook rules ./rules
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    JOBHOOK_HOST=0.0.0.0 \
    JOBHOOK_PORT=7860
EXPOSE 7860
CMD ["jobhook", "serve"]
