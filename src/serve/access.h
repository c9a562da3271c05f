// access.h: whose requests are let in. Where no keys are required, what protects a server on this machine is that only
// this machine reaches it; a web page open in its browser could, and is kept out here.
//
// 1. The Host must be an address, localhost, or a name the operator allowed: a foreign name that was pointed at this
//    machine (DNS rebinding) is none of them.
// 2. A page of another origin may not send requests, unless the operator allowed that origin; then it gets the CORS
//    headers it needs, without credentials.
// 3. What the server tells of itself beyond whether it lives (the models' names, how much is asked of them) is for the
//    operator, who has a token of its own: no key of the ledger, so that a database that is down can be watched too.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/http_message.h"

namespace r1 {

struct AccessOptions {
  std::vector<std::string> hosts;    // names under which the server may be addressed: "r1.example.org"
  std::vector<std::string> origins;  // of pages that may use it: "http://localhost:3000"
  std::string operator_token;        // "": there is none
};

bool is_loopback(std::string_view host);  // an address or name of this machine only

// Of `Authorization: Bearer TOKEN`; "" when there is no such header.
std::string_view bearer_token(const HttpRequest& request);

// Whether it has the operator's token. How long that takes says nothing about the token.
bool is_operator(const HttpRequest& request, const AccessOptions& options);

// The refusal, if there is to be one.
std::optional<HttpResponse> check_access(const HttpRequest& request, const AccessOptions& options);

// What a page of an allowed origin must see in an answer, to be let read it.
std::vector<HttpHeader> cors_headers(const HttpRequest& request, const AccessOptions& options);

}  // namespace r1
