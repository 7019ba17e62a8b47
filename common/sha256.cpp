#include "common/sha256.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <functional>
#include <utility>

// Names as in FIPS 180-4, section 6.2.

namespace serin {
namespace {

constexpr size_t kBlockBytes = 64, kRounds = 64, kLengthBytes = 8;

constexpr std::array<uint32_t, kRounds> kConstants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

using State = std::array<uint32_t, 8>;
constexpr State kInitial = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                            0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

uint32_t word_at(std::span<const uint8_t> bytes, size_t index) {
  const auto byte = [&](size_t i) { return uint32_t{bytes[index * 4 + i]}; };
  return byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
}

std::array<uint32_t, kRounds> schedule(std::span<const uint8_t, kBlockBytes> block) {
  std::array<uint32_t, kRounds> w{};
  for (size_t t = 0; t < 16; ++t) w[t] = word_at(block, t);
  for (size_t t = 16; t < kRounds; ++t) {
    const uint32_t s0 = std::rotr(w[t - 15], 7) ^ std::rotr(w[t - 15], 18) ^ w[t - 15] >> 3;
    const uint32_t s1 = std::rotr(w[t - 2], 17) ^ std::rotr(w[t - 2], 19) ^ w[t - 2] >> 10;
    w[t] = w[t - 16] + s0 + w[t - 7] + s1;
  }
  return w;
}

void compress(State& state, std::span<const uint8_t, kBlockBytes> block) {
  const auto w = schedule(block);
  auto [a, b, c, d, e, f, g, h] = state;
  for (size_t t = 0; t < kRounds; ++t) {
    const uint32_t sum1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const uint32_t t1 = h + sum1 + ((e & f) ^ (~e & g)) + kConstants[t] + w[t];
    const uint32_t sum0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const uint32_t t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
    h = std::exchange(g, std::exchange(f, std::exchange(e, d + t1)));
    d = std::exchange(c, std::exchange(b, std::exchange(a, t1 + t2)));
  }
  const State worked = {a, b, c, d, e, f, g, h};
  std::ranges::transform(state, worked, state.begin(), std::plus<uint32_t>());
}

}  // namespace

std::array<uint8_t, 32> sha256(std::span<const uint8_t> data) {
  State state = kInitial;
  const uint64_t bits = uint64_t{data.size()} * 8;
  for (; data.size() >= kBlockBytes; data = data.subspan(kBlockBytes))
    compress(state, data.first<kBlockBytes>());
  // What is left, a one bit, zeros, and the length: one block or two.
  std::array<uint8_t, 2 * kBlockBytes> last{};
  std::ranges::copy(data, last.begin());
  last[data.size()] = 0x80;
  const size_t end = data.size() + 1 + kLengthBytes <= kBlockBytes ? kBlockBytes : last.size();
  for (size_t i = 0; i < kLengthBytes; ++i)
    last[end - 1 - i] = static_cast<uint8_t>(bits >> (8 * i));
  for (size_t at = 0; at < end; at += kBlockBytes)
    compress(state, std::span(last).subspan(at).first<kBlockBytes>());
  std::array<uint8_t, 32> digest{};
  for (size_t i = 0; i < digest.size(); ++i)
    digest[i] = static_cast<uint8_t>(state[i / 4] >> (24 - 8 * (i % 4)));
  return digest;
}

}  // namespace serin
