#include <cstdio>

#include "tests/wire/schema/codec.h"

// Any bytes, as one kind of message. The file identifier is given, as a fuzzer would spend its
// first hours on it.

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using Message = serin::SERIN_MESSAGE;
  static const std::vector<uint8_t> valid = [] {
    serin::test::Generator generator(1);
    return serin::wire::encode(serin::test::Codec<Message>::make(generator));
  }();
  std::vector<uint8_t> bytes(data, data + size);
  if (bytes.size() >= 8) std::copy(valid.begin() + 4, valid.begin() + 8, bytes.begin() + 4);
  const std::string broken = serin::test::broken_promise<Message>(bytes);
  if (!broken.empty()) std::fprintf(stderr, "%s\n", broken.c_str());
  SERIN_VERIFY(broken.empty());
  return 0;
}
