# A static binary in an empty image: no shell, no packages, an unprivileged user. For the machine's own architecture:
#   docker build --tag blobrollout:0.1.0 .

FROM rust:1.95-alpine AS build
# aws-lc, which does the TLS, is C: it takes a compiler and, for linux/random.h, the kernel's headers. No cmake, no Go.
RUN apk add --no-cache build-base linux-headers ca-certificates
WORKDIR /src
COPY . .
# Rust links statically for musl, which is the image's default target.
RUN cargo build --release --locked --package blobrollout --bin blobrollout

FROM scratch
# Storage and hub are known by the public CAs; SSL_CERT_FILE names others.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/target/release/blobrollout /blobrollout
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/blobrollout"]
CMD ["run"]
