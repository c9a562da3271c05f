// r1_chat_template.h: R1's chat template without its tools, for models that we write.
#pragma once

#include <string_view>

namespace r1 {

inline constexpr std::string_view kR1ChatTemplate =
    R"({{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] }})"
    R"({% elif message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }})"
    R"({% elif message['role'] == 'assistant' %}{{ '<｜Assistant｜>' + message['content'].split('</think>')[-1] + )"
    R"('<｜end▁of▁sentence｜>' }}{% endif %}{% endfor %})"
    R"({% if add_generation_prompt %}{{ '<｜Assistant｜><think>\n' }}{% endif %})";

}  // namespace r1
