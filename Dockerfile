# The service with a model, and nothing else: one static binary, no shell, no libraries, no package manager. docs/deploy.md
# builds what is copied here into target/container:
#
#   marquee              the static binary (x86_64-unknown-linux-musl or aarch64-unknown-linux-musl)
#   model/               an artifact, the one that is served
#   ca-certificates.crt  the authorities that the AWS SDK and the accelerator's client believe
FROM scratch
COPY target/container/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY target/container/marquee /marquee
COPY target/container/model /model

# Nobody in particular: there is no /etc/passwd.
USER 65532:65532
# Cloud Run and others set their own.
ENV PORT=8080
EXPOSE 8080
# In-flight requests are finished (--drain-seconds), then it ends.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/marquee", "health"]

# Nothing is written: run it with --read-only. Other machines reach it, so that it asks for keys: mount a ring at /keys.json,
# or name one in Secrets Manager (--api-keys secret:NAME). --store dynamodb:TABLE remembers people.
ENTRYPOINT ["/marquee", "serve", "--host", "0.0.0.0", "--log", "json", "--model", "/model"]
CMD ["--api-keys", "/keys.json", "--store", "none"]
