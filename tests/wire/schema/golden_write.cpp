#include <fmt/core.h>

#include <filesystem>
#include <fstream>

#include "common/ids.h"
#include "tests/wire/schema/golden.h"

// golden_write DIR: writes the golden files of the current release. Run once per release; files
// that are there already are promises, and stay as they are.

namespace {

bool write(const std::filesystem::path& file, const std::string& text) {
  if (std::filesystem::exists(file)) {
    fmt::print("{} is there already, left as it is\n", file.string());
    return true;
  }
  std::ofstream out(file, std::ios::binary);
  out << text;
  out.close();
  if (!out) fmt::print(stderr, "cannot write {}\n", file.string());
  return static_cast<bool>(out);
}

std::string in_lines(const std::string& hex) {
  constexpr size_t kDigitsPerLine = 64;
  std::string text;
  for (size_t at = 0; at < hex.size(); at += kDigitsPerLine)
    text += hex.substr(at, kDigitsPerLine) + "\n";
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  namespace golden = serin::test::golden;
  if (argc != 2) {
    fmt::print(stderr, "usage: golden_write DIR\n");
    return 64;
  }
  const std::filesystem::path folder = argv[1];
  bool good = true;
  golden::each_message([&](const std::string& name, const auto& message, auto) {
    good =
        write(folder / (name + ".hex"), in_lines(serin::hex(serin::wire::encode(message)))) && good;
  });
  std::string capture;
  for (const auto& line : golden::capture_lines()) capture += serin::capture::format(line) + "\n";
  good = write(folder / "capture.ndjson", capture) && good;
  return good ? 0 : 1;
}
