#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

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
  Pages(const Release& release, Pool& catalogue, Orders& orders, Payment& payment)
      : release_(release), catalogue_(catalogue), orders_(orders), payment_(payment) {}
  Response answer(const Request& request);

 private:
  Response home() const;
  Response customer(const std::string& id);
  Response search(const Request& request);
  Response checkout(const Request& request);
  Response health();

  const Release& release_;
  Pool& catalogue_;
  Orders& orders_;
  Payment& payment_;
};

}  // namespace shop
