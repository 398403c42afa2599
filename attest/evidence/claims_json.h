// Claims as JSON, for a broker's session token. Nobody but the broker that wrote them reads them,
// so the form may change with any release.
#pragma once

#include <nlohmann/json.hpp>

#include "attest/evidence/claims.h"
#include "base/result.h"

namespace locket::attest {

// {"tee":"snp","measurement":"<96 hex>","host_data":"<64 hex>",
//  "tcbs":[{"which":"launch","levels":{"snp":8,...}},...],"platform":["smt"],
//  "debug":false,"migratable":false,"privilege_level":0}
nlohmann::json ClaimsToJson(const Claims& claims);

// Reads what ClaimsToJson wrote; every member has to be there, so that none is silently "no".
// kInvalidArgument: a member is missing or malformed; the message names it.
Result<Claims> ClaimsFromJson(const nlohmann::json& json);

}  // namespace locket::attest
