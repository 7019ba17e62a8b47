#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "demo/shop/burdens.h"
#include "demo/shop/counters.h"
#include "demo/shop/payment.h"
#include "demo/shop/release.h"
#include "demo/shop/store.h"

namespace shop {

struct Request {
  std::string method;
  std::string path;                          ///< without the query
  std::map<std::string, std::string> query;  ///< decoded; the fields of a form body as well
};

struct Response {
  unsigned status = 200;
  std::string body;
  std::string type = "text/html; charset=utf-8";
};

/// The pages of the shop: a request in, a response out. Called from many threads at once. What goes
/// wrong in a page leaves it as an exception, and the server answers 500.
class Pages {
 public:
  /// `counters`, which must outlive it, hear of every order.
  Pages(const Release& release, Pool& catalogue, Orders& orders, Payment& payment,
        const Counters* counters = nullptr)
      : release_(release),
        catalogue_(catalogue),
        orders_(orders),
        payment_(payment),
        counters_(counters),
        bestsellers_(catalogue) {}
  Response answer(const Request& request);

 private:
  Response route(const Request& request);
  Response home();
  Response customer(const std::string& id);
  Response search(const Request& request);
  Response checkout(const Request& request);
  Response health();

  const Release& release_;
  Pool& catalogue_;
  Orders& orders_;
  Payment& payment_;
  const Counters* counters_;
  Bestsellers bestsellers_;
  Sessions sessions_;
  Warehouse warehouse_;
  std::mutex one_at_a_time_;
};

}  // namespace shop
