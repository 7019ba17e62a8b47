#include "agent/discover/listeners.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <set>

#include "agent/probe/proc_parse.h"
#include "agent/probe/text_lines.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kListening = "0A";

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (size_t at = line.find_first_not_of(' '); at != std::string_view::npos;
       at = line.find_first_not_of(' ', at)) {
    size_t end = std::min(line.find(' ', at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

template <typename Number>
std::optional<Number> from_hex(std::string_view text) {
  Number value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The kernel prints an address as words of its own byte order.
std::string address_of(std::string_view hex) {
  std::array<uint32_t, 4> words{};
  const size_t count = hex.size() / 8;
  if (hex.size() % 8 != 0 || (count != 1 && count != 4)) return {};
  for (size_t i = 0; i < count; ++i) {
    auto word = from_hex<uint32_t>(hex.substr(i * 8, 8));
    if (!word) return {};
    words[i] = *word;
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = count == 1 ? AF_INET : AF_INET6;
  if (::inet_ntop(family, words.data(), text.data(), text.size()) == nullptr) return {};
  return text.data();
}

std::optional<Listener> parse_line(std::string_view line) {
  // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
  constexpr size_t kLocal = 1, kState = 3, kUser = 7, kInode = 9;
  auto words = words_of(line);
  if (words.size() <= kInode || words[kState] != kListening) return std::nullopt;
  const size_t colon = words[kLocal].find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  auto port = from_hex<uint16_t>(words[kLocal].substr(colon + 1));
  auto inode = parse_number(words[kInode]);
  auto user = parse_number(words[kUser]);
  std::string address = address_of(words[kLocal].substr(0, colon));
  if (!port || !inode || *inode == 0 || !user || address.empty()) return std::nullopt;
  return Listener{.address = std::move(address),
                  .port = *port,
                  .inode = *inode,
                  .user = static_cast<uint32_t>(*user)};
}

/// 123 of "socket:[123]".
std::optional<uint64_t> socket_inode(const std::string& target) {
  constexpr std::string_view kStart = "socket:[";
  if (!target.starts_with(kStart) || !target.ends_with(']')) return std::nullopt;
  return parse_number(
      std::string_view(target).substr(kStart.size(), target.size() - kStart.size() - 1));
}

}  // namespace

std::vector<Listener> parse_listeners(std::string_view text) {
  std::vector<Listener> found;
  each_line(text, [&](std::string_view line) {
    if (auto listener = parse_line(line)) found.push_back(std::move(*listener));
  });
  return found;
}

SocketHolders find_holders(const HostTree& tree, const std::vector<Listener>& listeners) {
  SocketHolders holders;
  std::set<uint64_t> wanted;
  for (const auto& listener : listeners) wanted.insert(listener.inode);
  for (const auto& name : tree.names("/proc")) {
    auto pid = parse_number(name);
    if (!pid) continue;
    std::error_code error;
    fs::directory_iterator it(tree.at(fs::path("/proc") / name / "fd"), error), end;
    if (error == std::errc::permission_denied) ++holders.hidden;
    for (; !error && it != end; it.increment(error)) {
      std::error_code gone;
      auto inode = socket_inode(fs::read_symlink(it->path(), gone).string());
      if (!inode || !wanted.contains(*inode)) continue;
      auto& pids = holders.pids[*inode];
      auto number = static_cast<int32_t>(*pid);
      if (std::ranges::find(pids, number) == pids.end()) pids.push_back(number);
    }
  }
  for (auto& [inode, pids] : holders.pids) std::ranges::sort(pids);
  return holders;
}

}  // namespace serin::agent
