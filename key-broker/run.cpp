#include "key-broker/run.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

#include "attest/emulator/emulated_verifier.h"
#include "attest/jose/jwt.h"
#include "attest/snp/snp_verifier.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"
#include "key-broker/audit_log.h"
#include "key-broker/broker.h"
#include "key-broker/process_limits.h"
#include "key-broker/server.h"
#include "key-broker/store_rocksdb.h"

namespace locket::key_broker {
namespace {

constexpr size_t kMaxFileBytes = 1U << 20;

Result<attest::SnpRoot> ReadRoot(const std::string& file) {
  LOCKET_TRY_ASSIGN(const auto pem, ReadFile(file, kMaxFileBytes));
  return attest::RootFromPem(pem).While("root '" + file + "'");
}

Result<attest::SnpCrl> ReadCrl(const std::string& file) {
  LOCKET_TRY_ASSIGN(const auto bytes, ReadFile(file, attest::kMaxCrlBytes));
  return attest::ReadSnpCrl(AsBytes(bytes)).While("revocation list '" + file + "'");
}

Result<std::unique_ptr<attest::Verifier>> MakeSnpVerifier(const Config& config) {
  std::vector<attest::SnpRoot> roots{attest::AmdMilanRoot()};
  for (const auto& file : config.snp_roots) {
    LOCKET_TRY_ASSIGN(const auto root, ReadRoot(file));
    roots.push_back(root);
  }
  std::vector<attest::SnpCrl> crls;
  for (const auto& file : config.snp_crls) {
    LOCKET_TRY_ASSIGN(auto crl, ReadCrl(file));
    crls.push_back(std::move(crl));
  }
  std::unique_ptr<attest::Verifier> genuine =
      std::make_unique<attest::SnpVerifier>(std::move(roots), std::move(crls));
  if (!config.emulated_root) return genuine;
  LOCKET_TRY_ASSIGN(const auto root, ReadRoot(*config.emulated_root));
  const auto guests =
      config.allow_emulated ? attest::EmulatedGuests::kAllow : attest::EmulatedGuests::kRefuse;
  return std::unique_ptr<attest::Verifier>(
      std::make_unique<attest::EmulatedVerifier>(root, guests, std::move(genuine)));
}

Result<BrokerOptions> MakeBrokerOptions(const Config& config) {
  BrokerOptions options{
      .verifiers = {},
      .admin_public_pem = {},
      .sessions = {.lifetime = config.session_lifetime, .max_sessions = config.max_sessions},
      .token_lifetime = config.token_lifetime,
      .refusals_per_minute = config.refusals_per_minute};
  LOCKET_TRY_ASSIGN(auto snp, MakeSnpVerifier(config));
  options.verifiers.push_back(std::move(snp));
  if (config.admin_public_key) {
    LOCKET_TRY_ASSIGN(options.admin_public_pem, ReadFile(*config.admin_public_key, kMaxFileBytes));
  }
  return options;
}

void Announce(const Config& config) {
  if (config.allow_emulated) {
    log::Warning(
        "EMULATED TEE ALLOWED: guests under the emulated root are protected by nothing; "
        "for development and tests only");
  }
  if (!config.admin_public_key) {
    log::Warning("no admin.public_key is configured: nobody can set resources or policies");
  }
}

// The number of the signal that ends the wait.
Result<uint32_t> NextSignal(int signal_fd) {
  for (;;) {
    signalfd_siginfo info{};
    const ssize_t got = ::read(signal_fd, &info, sizeof info);
    if (got == ssize_t{sizeof info}) return info.ssi_signo;
    if (got < 0 && errno != EINTR) return Error::FromErrno(errno, "wait for a signal");
  }
}

// Returns when the broker shall end.
Status ServeSignals(int signal_fd, AuditLog& audit) {
  for (;;) {
    LOCKET_TRY_ASSIGN(const uint32_t signal, NextSignal(signal_fd));
    if (signal != SIGHUP) return Ok();
    const Status reopened = audit.Reopen();
    if (reopened.ok()) log::Info("audit log opened again");
    // The former file takes the lines until the next SIGHUP.
    if (!reopened.ok()) log::Error("audit log not opened again", {log::Field(reopened.error())});
  }
}

ServerOptions MakeServerOptions(const Config& config) {
  return {.host = config.host,
          .port = config.port,
          .certificate_file = config.tls_certificate,
          .key_file = config.tls_key,
          .max_body_bytes = config.max_body_bytes,
          .connections = {.max_connections = config.max_connections,
                          .max_per_peer = config.max_connections_per_peer,
                          .request_timeout = config.request_timeout},
          .threads = config.threads};
}

}  // namespace

Result<Config> LoadConfig(const std::string& file) {
  LOCKET_TRY_ASSIGN(const auto text, ReadFile(file, kMaxFileBytes));
  return ParseConfig(text).While("configuration '" + file + "'");
}

Status CheckConfig(const Config& config) {
  LOCKET_TRY_ASSIGN(const auto options, MakeBrokerOptions(config));
  if (options.admin_public_pem) {
    LOCKET_TRY(
        attest::VerificationKey::FromPem(*options.admin_public_pem).While("admin.public_key"));
  }
  LOCKET_TRY(ReadFile(config.tls_certificate, kMaxFileBytes));
  LOCKET_TRY(ReadFile(config.tls_key, kMaxFileBytes));
  return Server::CheckCertificate(config.tls_certificate, config.tls_key);
}

Status Run(const Config& config, int signal_fd) {
  LOCKET_TRY_ASSIGN(const auto limits, RaiseProcessLimits());
  LOCKET_TRY(CheckFits(config, limits));
  const SystemClock clock;
  LOCKET_TRY_ASSIGN(auto options, MakeBrokerOptions(config));
  LOCKET_TRY_ASSIGN(const auto audit,
                    OpenAuditLog(config.audit_log, clock,
                                 {.max_bytes = config.audit_max_bytes, .keep = config.audit_keep}));
  LOCKET_TRY_ASSIGN(const auto store, OpenRocksDbStore(config.store_dir));
  LOCKET_TRY_ASSIGN(const auto broker, Broker::Create(std::move(options), *store, *audit, clock));
  LOCKET_TRY_ASSIGN(const auto server, Server::Start(MakeServerOptions(config), *broker));
  Announce(config);
  log::Info("listening on " + config.host + ":" + std::to_string(server->port()));
  LOCKET_TRY(ServeSignals(signal_fd, *audit));
  log::Info("stopping");
  return Ok();
}

}  // namespace locket::key_broker
