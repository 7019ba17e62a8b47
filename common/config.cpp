#include "common/config.h"

#include <fmt/core.h>
#include <fmt/format.h>
#include <toml++/toml.h>

#include <map>
#include <set>

#include "common/duration.h"
#include "common/file.h"

namespace serin {
namespace {

/// Nobody writes a megabyte by hand.
constexpr size_t kMostFileBytes = size_t{1024} * 1024;

using Kind = ConfigTable::Kind;

Kind kind_of(const toml::node* node) {
  if (node == nullptr) return Kind::absent;
  if (node->is_string()) return Kind::string;
  if (node->is_integer()) return Kind::integer;
  if (node->is_floating_point()) return Kind::number;
  if (node->is_boolean()) return Kind::boolean;
  if (node->is_array()) return Kind::array;
  if (node->is_table()) return Kind::table;
  return Kind::other;
}

std::string_view words_for(Kind kind) {
  switch (kind) {
    case Kind::absent:
      return "nothing";
    case Kind::string:
      return "a text in quotes";
    case Kind::integer:
      return "a whole number";
    case Kind::number:
      return "a number";
    case Kind::boolean:
      return "true or false";
    case Kind::array:
      return "a list";
    case Kind::table:
      return "a table";
    case Kind::other:
      break;
  }
  return "a date or time";
}

uint32_t line_of(const toml::source_region& region) {
  return region.begin.line;
}

}  // namespace

/// What all tables of one file share: the tree, what was read of it and what was wrong with it.
struct Document {
  struct Asked {
    std::set<std::string, std::less<>> read;   // ticked off
    std::set<std::string, std::less<>> named;  // known to exist: for "did you mean"
  };

  std::string name;
  toml::table tree;
  std::map<const toml::table*, Asked> asked;
  std::multimap<uint32_t, std::string> problems;  // by line; 0: of the file as a whole

  void report_unknown(const toml::table& table, const std::string& path);
  void report_unknown_below(const toml::node& node, const std::string& path);
  [[nodiscard]] std::string all_problems() const;
};

struct ConfigTable::Impl {
  std::shared_ptr<Document> document;
  const toml::table* here;
  std::string path;  // dotted, of this table; empty for the root

  [[nodiscard]] std::string path_of(std::string_view key) const {
    return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
  }
  [[nodiscard]] Document::Asked& asked() const { return document->asked[here]; }

  /// The value at a key, ticked off; null when absent.
  const toml::node* read(std::string_view key) {
    asked().read.emplace(key);
    asked().named.emplace(key);
    return here->get(key);
  }
  void problem(uint32_t line, std::string text) {
    document->problems.emplace(line, std::move(text));
  }
  void wrong(const toml::node& node, std::string_view key, std::string_view what) {
    problem(line_of(node.source()), fmt::format("'{}' {}", path_of(key), what));
  }
  void wrong_type(const toml::node& node, std::string_view key, std::string_view wanted) {
    wrong(node, key, fmt::format("must be {}, not {}", wanted, words_for(kind_of(&node))));
  }
  [[nodiscard]] ConfigTable open(const toml::table& table, std::string_view key) const {
    document->asked[&table];
    return ConfigTable(std::make_unique<Impl>(Impl{document, &table, path_of(key)}));
  }
};

void Document::report_unknown(const toml::table& table, const std::string& path) {
  const Asked& of_table = asked[&table];
  const std::vector<std::string> known(of_table.named.begin(), of_table.named.end());
  for (const auto& [key, node] : table) {
    const std::string child =
        path.empty() ? std::string(key.str()) : fmt::format("{}.{}", path, key.str());
    if (of_table.read.contains(key.str())) {
      report_unknown_below(node, child);
      continue;
    }
    const std::string nearest = nearest_word(key.str(), known);
    std::string hint;
    if (!nearest.empty()) {
      hint = fmt::format(" (did you mean '{}'?)", nearest);
    } else if (!known.empty()) {
      hint = fmt::format(" (known here: {})", fmt::join(known, ", "));
    }
    problems.emplace(line_of(key.source()), fmt::format("unknown key '{}'{}", child, hint));
  }
}

/// Only tables that were opened were looked into; a key read as something else has its own problem.
void Document::report_unknown_below(const toml::node& node, const std::string& path) {
  if (const auto* table = node.as_table(); table != nullptr && asked.contains(table)) {
    report_unknown(*table, path);
  } else if (const auto* array = node.as_array(); array != nullptr) {
    for (const auto& element : *array) report_unknown_below(element, path);
  }
}

std::string Document::all_problems() const {
  std::string text;
  for (const auto& [line, what] : problems) {
    if (!text.empty()) text += '\n';
    text +=
        line == 0 ? fmt::format("{}: {}", name, what) : fmt::format("{}:{}: {}", name, line, what);
  }
  return text;
}

ConfigTable::ConfigTable(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ConfigTable::~ConfigTable() = default;
ConfigTable::ConfigTable(ConfigTable&&) noexcept = default;
ConfigTable& ConfigTable::operator=(ConfigTable&&) noexcept = default;

Result<ConfigTable> ConfigTable::parse_file(const std::filesystem::path& file) {
  const auto text = read_file(file, kMostFileBytes);
  if (!text) return std::unexpected(text.error());
  return parse_text(*text, file.native());
}

// Debian's libtomlplusplus is built with exceptions, so its parser throws; here they end.
Result<ConfigTable> ConfigTable::parse_text(std::string_view text,
                                            std::string name_for_errors) try {
  auto document = std::make_shared<Document>();
  document->name = name_for_errors;
  document->tree = toml::parse(text);
  const toml::table* root = &document->tree;
  document->asked[root];
  return ConfigTable(std::make_unique<Impl>(Impl{std::move(document), root, ""}));
} catch (const toml::parse_error& error) {
  return fail(
      fmt::format("{}:{}: {}", name_for_errors, line_of(error.source()), error.description()));
}

std::optional<std::string> ConfigTable::string(std::string_view key) {
  const auto* node = impl_->read(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* text = node->as_string(); text != nullptr) return text->get();
  impl_->wrong_type(*node, key, words_for(Kind::string));
  return std::nullopt;
}

std::optional<int64_t> ConfigTable::integer(std::string_view key, int64_t least, int64_t most) {
  const auto* node = impl_->read(key);
  if (node == nullptr) return std::nullopt;
  const auto* number = node->as_integer();
  if (number == nullptr) {
    impl_->wrong_type(*node, key, fmt::format("a whole number from {} to {}", least, most));
  } else if (number->get() < least || number->get() > most) {
    impl_->wrong(*node, key,
                 fmt::format("must be from {} to {}, not {}", least, most, number->get()));
  } else {
    return number->get();
  }
  return std::nullopt;
}

std::optional<std::vector<int64_t>> ConfigTable::integers(std::string_view key, int64_t least,
                                                          int64_t most) {
  const auto* node = impl_->read(key);
  if (node == nullptr) return std::nullopt;
  std::vector<int64_t> numbers;
  const auto take = [&](const toml::node& element) {
    const auto* number = element.as_integer();
    if (number != nullptr && number->get() >= least && number->get() <= most)
      return numbers.push_back(number->get()), true;
    impl_->wrong(element, key, fmt::format("must be whole numbers from {} to {}", least, most));
    return false;
  };
  const auto* array = node->as_array();
  if (array == nullptr) return take(*node) ? std::optional(std::move(numbers)) : std::nullopt;
  for (const auto& element : *array)
    if (!take(element)) return std::nullopt;
  return numbers;
}

std::optional<double> ConfigTable::number(std::string_view key, double least, double most) {
  const auto* node = impl_->read(key);
  if (node == nullptr) return std::nullopt;
  const auto value = node->is_number() ? node->value<double>() : std::nullopt;
  if (!value) {
    impl_->wrong_type(*node, key, fmt::format("a number from {} to {}", least, most));
  } else if (!(*value >= least && *value <= most)) {  // NaN is outside too
    impl_->wrong(*node, key, fmt::format("must be from {} to {}, not {}", least, most, *value));
  } else {
    return value;
  }
  return std::nullopt;
}

std::optional<bool> ConfigTable::boolean(std::string_view key) {
  const auto* node = impl_->read(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* value = node->as_boolean(); value != nullptr) return value->get();
  impl_->wrong_type(*node, key, words_for(Kind::boolean));
  return std::nullopt;
}

std::optional<std::vector<std::string>> ConfigTable::strings(std::string_view key) {
  const auto* node = impl_->read(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* text = node->as_string(); text != nullptr) return std::vector{text->get()};
  const auto* array = node->as_array();
  if (array == nullptr) {
    impl_->wrong_type(*node, key, "a text in quotes or a list of such");
    return std::nullopt;
  }
  std::vector<std::string> texts;
  for (const auto& element : *array) {
    if (const auto* text = element.as_string(); text != nullptr) {
      texts.push_back(text->get());
    } else {
      impl_->wrong(element, key,
                   fmt::format("must hold texts in quotes, not {}", words_for(kind_of(&element))));
      return std::nullopt;
    }
  }
  return texts;
}

std::optional<double> ConfigTable::duration_seconds(std::string_view key) {
  const auto* node = impl_->read(key);
  if (node == nullptr) return std::nullopt;
  const auto* text = node->as_string();
  if (text == nullptr) {
    impl_->wrong_type(*node, key, "a duration in quotes such as \"45s\" or \"10m\"");
    return std::nullopt;
  }
  const auto seconds = parse_duration(text->get());
  if (seconds) return *seconds;
  impl_->wrong(*node, key, seconds.error().message);
  return std::nullopt;
}

std::optional<double> ConfigTable::share(std::string_view key) {
  if (kind(key) != Kind::string) return number(key, 0, 1);
  const auto percent = parse_percent(*string(key));
  if (percent) return *percent;
  problem(key, percent.error().message);
  return std::nullopt;
}

std::vector<std::pair<std::string, std::string>> ConfigTable::string_map() {
  std::vector<std::pair<std::string, std::string>> map;
  for (const auto& [key, node] : *impl_->here) {
    if (auto text = string(key.str())) map.emplace_back(key.str(), std::move(*text));
  }
  return map;
}

std::optional<ConfigTable> ConfigTable::table(std::string_view key) {
  const auto* node = impl_->read(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* table = node->as_table(); table != nullptr) return impl_->open(*table, key);
  impl_->wrong_type(*node, key, words_for(Kind::table));
  return std::nullopt;
}

std::vector<ConfigTable> ConfigTable::tables(std::string_view key) {
  std::vector<ConfigTable> opened;
  const auto* node = impl_->read(key);
  if (node == nullptr) return opened;
  const auto* array = node->as_array();
  if (array == nullptr) {
    impl_->wrong(*node, key,
                 fmt::format("must be a list of tables: write [[{}]]", impl_->path_of(key)));
    return opened;
  }
  for (const auto& element : *array) {
    if (const auto* table = element.as_table(); table != nullptr) {
      opened.push_back(impl_->open(*table, key));
    } else {
      impl_->wrong(element, key,
                   fmt::format("must hold tables, not {}", words_for(kind_of(&element))));
    }
  }
  return opened;
}

std::vector<std::string> ConfigTable::table_names() {
  std::vector<std::string> names;
  for (const auto& [key, node] : *impl_->here) {
    if (node.is_table()) names.emplace_back(key.str());
  }
  return names;
}

ConfigTable::Kind ConfigTable::kind(std::string_view key) const {
  impl_->asked().named.emplace(key);
  return kind_of(impl_->here->get(key));
}

void ConfigTable::leave(std::string_view key) {
  impl_->read(key);
}

void ConfigTable::problem(std::string_view key, std::string_view what) {
  const auto* node = impl_->here->get(key);
  impl_->wrong(node != nullptr ? *node : *impl_->here, key, what);
}

void ConfigTable::missing(std::string_view key, std::string_view what_for) {
  const bool is_root = impl_->here == &impl_->document->tree;
  impl_->asked().named.emplace(key);
  impl_->problem(is_root ? 0 : line_of(impl_->here->source()),
                 fmt::format("missing key '{}': {}", impl_->path_of(key), what_for));
}

Result<void> ConfigTable::finish() {
  Document& document = *impl_->document;
  document.report_unknown(document.tree, "");
  if (document.problems.empty()) return {};
  return fail(document.all_problems());
}

}  // namespace serin
