#include "demo/shop/pages.h"

#include <fmt/core.h>

#include <charconv>
#include <cstdlib>
#include <limits>
#include <stdexcept>

namespace shop {
namespace {

constexpr int kOrdersOnPage = 20;
constexpr int kFoundOnPage = 20;
constexpr const char* kCheckout =
    "<form method=\"post\" action=\"/checkout\"><button>Order</button></form>";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

constexpr size_t kHeadingBytes = 12;

// The bug: twelve bytes are not twelve characters, and half of one is none.
std::string shortened(const std::string& name) {
  if (name.size() <= kHeadingBytes) return name;
  const auto next = static_cast<unsigned char>(name[kHeadingBytes]);
  if ((next & 0xC0) == 0x80) throw std::invalid_argument("the heading is not valid UTF-8");
  return name.substr(0, kHeadingBytes);
}

std::string page(std::string_view title, std::string_view body) {
  return fmt::format(
      "<!doctype html><html><head><title>{0}</title></head><body><h1>{0}</h1>{1}</body></html>\n",
      escaped(title), body);
}

template <typename T>
T must(serin::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

int64_t number_of(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && value > 0 ? value : 0;
}

const char* text_at(sqlite3_stmt* row, int column) {
  return reinterpret_cast<const char*>(
      sqlite3_column_text(row, column));  // null when the field is absent
}

std::string field(const Request& request, const char* name) {
  const auto at = request.query.find(name);
  return at == request.query.end() ? std::string() : at->second;
}

struct Customer {
  std::string name, town, tier;
  int64_t orders = 0;
};

/// Empty name: no such customer.
Customer find_customer(sqlite3* db, int64_t id, const Traits& traits) {
  const auto query =
      must(prepare(db, "SELECT name, town, loyalty_tier, order_count FROM customers WHERE id = ?"));
  sqlite3_bind_int64(query.get(), 1, id);
  if (sqlite3_step(query.get()) != SQLITE_ROW) return {};
  Customer customer{.name = text_at(query.get(), 0),
                    .town = text_at(query.get(), 1),
                    .tier = {},
                    .orders = sqlite3_column_int64(query.get(), 3)};
  const char* tier = text_at(query.get(), 2);
  if (traits.needs_loyalty_tier) {
    customer.tier = std::string(
        tier);  // the bug: legacy rows have none, and std::string refuses a null pointer
  } else {
    customer.tier = tier ? tier : "none yet";
  }
  return customer;
}

// The newest orders through the index: as quick for twenty thousand orders as for two.
constexpr const char* kNewestOrders =
    "SELECT placed, cents FROM orders WHERE customer = ? ORDER BY placed DESC LIMIT ?";
// The customer's busiest months first: a good idea, but every order is looked at, and for each of
// them all orders of the thirty days before it. Nobody sees it in staging, where no customer has
// more than a few orders.
constexpr const char* kBusiestFirst =
    "SELECT placed, cents FROM orders o WHERE customer = ? ORDER BY (SELECT count(*) FROM orders p "
    "WHERE"
    " p.customer = o.customer AND p.placed BETWEEN o.placed - 2592000 AND o.placed) DESC, placed "
    "DESC LIMIT ?";

std::string orders_of(sqlite3* db, int64_t id, const Traits& traits) {
  const auto query = must(prepare(db, traits.scans_orders ? kBusiestFirst : kNewestOrders));
  sqlite3_bind_int64(query.get(), 1, id);
  sqlite3_bind_int(query.get(), 2, kOrdersOnPage);
  std::string rows;
  while (sqlite3_step(query.get()) == SQLITE_ROW) {
    rows += fmt::format("<li>{}: {:.2f} €</li>", sqlite3_column_int64(query.get(), 0),
                        static_cast<double>(sqlite3_column_int64(query.get(), 1)) / 100.0);
  }
  return rows;
}

}  // namespace

Response Pages::answer(const Request& request) {
  const Traits& traits = release_.traits;
  if (request.path == "/healthz") return health();
  if (traits.keeps_sessions) sessions_.remember(request.path);
  Response response;
  if (traits.locks_across_io) {
    const std::lock_guard lock(one_at_a_time_);  // the bug: the database and the partner take time
    response = route(request);
  } else {
    response = route(request);
  }
  if (traits.fingerprints_pages) response.body += "<!-- " + fingerprint(response.body) + " -->\n";
  return response;
}

Response Pages::route(const Request& request) {
  constexpr std::string_view kCustomer = "/customer/";
  if (request.path == "/") return home();
  if (request.path.starts_with(kCustomer)) return customer(request.path.substr(kCustomer.size()));
  if (request.path == "/search") return search(request);
  if (request.path == "/checkout") return checkout(request);
  return {.status = 404, .body = page("Not here", "")};
}

Response Pages::home() {
  const std::string best = release_.traits.counts_on_every_miss ? bestsellers_.html() : "";
  return {.body = page("The shop", fmt::format("<p>Welcome. This is release {}.</p>{}",
                                               escaped(release_.name), best))};
}

Response Pages::customer(const std::string& id) {
  const Traits& traits = release_.traits;
  const int64_t number = number_of(id);
  const std::string best = traits.counts_on_every_miss ? bestsellers_.html() : "";
  const auto lease = must(catalogue_.borrow());
  const Customer found = number ? find_customer(lease.get(), number, traits) : Customer{};
  if (found.name.empty()) return {.status = 404, .body = page("No such customer", "")};
  const std::string orders = orders_of(lease.get(), number, traits);
  if (traits.renders_nothing) return {};
  const std::string title = traits.cuts_names_bytewise ? shortened(found.name) : found.name;
  return {.body = page(title, fmt::format("<p>{}, {} orders, tier {}</p><ol>{}</ol>{}{}",
                                          escaped(found.town), found.orders, escaped(found.tier),
                                          orders, best, traits.hides_checkout ? "" : kCheckout))};
}

Response Pages::search(const Request& request) {
  const std::string wanted = field(request, "q");
  if (wanted.empty()) return {.status = 400, .body = page("Search for what?", "")};
  auto lease = must(catalogue_.borrow());
  const auto query = must(prepare(lease.get(),
                                  "SELECT id, name FROM customers WHERE name >= ?1 AND name < ?1 "
                                  "|| '\xf4\x8f\xbf\xbf' LIMIT ?2"));
  sqlite3_bind_text(query.get(), 1, wanted.c_str(), -1, SQLITE_TRANSIENT);
  sqlite3_bind_int(query.get(), 2, kFoundOnPage);
  std::string rows;
  while (sqlite3_step(query.get()) == SQLITE_ROW) {
    rows += fmt::format("<li><a href=\"/customer/{}\">{}</a></li>",
                        sqlite3_column_int64(query.get(), 0), escaped(text_at(query.get(), 1)));
  }
  if (rows.empty() && release_.traits.forgets_connections) {
    lease.keep();  // the bug: the way out for "nothing found" leaves the connection behind
  }
  return {.body = page("Found", "<ol>" + rows + "</ol>")};
}

Response Pages::checkout(const Request& request) {
  if (request.method != "POST") return {.status = 405, .body = page("POST, please", "")};
  const int64_t customer = number_of(field(request, "customer"));
  const int64_t cents = number_of(field(request, "cents"));
  if (!customer || !cents) return {.status = 400, .body = page("Whose order, and what for?", "")};
  if (release_.traits.amounts_in_16_bits && cents > std::numeric_limits<int16_t>::max()) {
    std::abort();  // as an overflow that the compiler checks would
  }
  const Charge charge = payment_.charge(customer, cents);
  if (charge.outcome == Charge::Outcome::declined)
    return {.status = 402, .body = page("Card declined", "")};
  if (charge.outcome == Charge::Outcome::failed)
    return {.status = 502, .body = page("Payment failed", "")};
  if (auto placed = orders_.place(customer, cents, charge.receipt); !placed) {
    throw std::runtime_error(placed.error().message);
  }
  if (counters_) counters_->add("orders");
  if (release_.traits.leaves_sockets_open) warehouse_.tell(customer);
  return {.body = page("Thank you", fmt::format("<p>Receipt {}</p>", escaped(charge.receipt)))};
}

Response Pages::health() {
  const auto lease = must(catalogue_.borrow());
  const auto query = must(prepare(lease.get(), "SELECT 1"));
  if (sqlite3_step(query.get()) != SQLITE_ROW)
    throw std::runtime_error("the database does not answer");
  return {.body = "ok\n", .type = "text/plain"};
}

}  // namespace shop
