#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/service_file.h"

namespace serin::agent {

/// Which class a request of one source is of, by the service's file: the first that fits, else the
/// rest. Empty where none of the classes can be told by this kind of source: then its requests are
/// of no class at all, and nothing is looked up. A look costs a comparison a class.
class ClassRules {
 public:
  /// Those that a log's fields tell, or those that the labels of metrics do.
  static ClassRules of_fields(const ServiceFile& service);
  static ClassRules of_labels(const ServiceFile& service);

  [[nodiscard]] bool empty() const { return rules_.empty(); }
  /// How many classes there are, with the rest, which is the last.
  [[nodiscard]] size_t size() const { return empty() ? 0 : rules_.size() + 1; }
  [[nodiscard]] std::string_view name(size_t index) const {
    return index < rules_.size() ? std::string_view(rules_[index].name) : ServiceFile::kRestClass;
  }
  /// The fields or labels that are looked at, each once.
  [[nodiscard]] const std::vector<std::string>& keys() const { return keys_; }

  /// `value_of(i)` gives the value of keys()[i], empty when there is none.
  template <typename ValueOf>
  [[nodiscard]] size_t find(ValueOf&& value_of) const {
    size_t known = keys_.size();
    std::string_view value;
    for (size_t i = 0; i < rules_.size(); ++i) {
      if (rules_[i].key != known) value = value_of(known = rules_[i].key);
      if (rules_[i].fits(value)) return i;
    }
    return rules_.size();
  }
  /// The same, by the label's name; 0 where there are no classes.
  template <typename LabelOf>
  [[nodiscard]] size_t find_by_label(LabelOf&& label_of) const {
    return empty() ? 0 : find([&](size_t key) { return label_of(std::string_view(keys_[key])); });
  }

 private:
  struct Rule {
    std::string name, text;
    size_t key = 0;
    bool whole = false;  ///< the value is `text`; else it begins with it
    [[nodiscard]] bool fits(std::string_view value) const {
      return whole ? value == text : value.starts_with(text);
    }
  };
  void add(const ServiceFile::Class& one, const std::optional<std::string>& key);

  std::vector<Rule> rules_;
  std::vector<std::string> keys_;
};

}  // namespace serin::agent
