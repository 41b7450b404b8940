//! Parses the data of an event into its fields, at a bounded cost.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::protocol::json::{self, Room, Within};

/// Entries of lists and objects that are kept of an event. The arguments of a tool call may be an
/// object.
const ENTRIES_MAX: usize = 10_000;

/// Event as it is sent. Fields whose type differs between servers are `Value`, so that any type is
/// accepted; of a field that comes twice, the last counts.
#[derive(Default)]
pub(super) struct Frame {
    pub object: Value,
    pub choices: Choices,
    pub usage: Value,
    pub error: Value,
    pub message: Value,
    pub detail: Value,
    pub msg: Value,
    pub code: Value,
    pub status: Value,
    pub model: Value,
    pub kind: Value,
    pub system_fingerprint: Value,
}

/// Choices of an event. One answer is requested, so only the first is read.
#[derive(Default)]
pub(super) struct Choices {
    /// First of them, unless it is null.
    pub first: Option<Choice>,
    /// Number of them.
    pub number: u64,
}

#[derive(Default)]
pub(super) struct Choice {
    pub delta: Value,
    pub message: Value,
    pub text: Value,
    pub finish_reason: Value,
    pub token_ids: Option<Vec<IgnoredAny>>,
    pub error: Value,
}

impl Frame {
    /// Parses an event's data.
    ///
    /// # Errors
    /// The data is no JSON object, or its choices are no list of objects.
    pub(super) fn parse(data: &str) -> Result<Frame, serde_json::Error> {
        json::parse(data, FrameSeed(&Room::new(ENTRIES_MAX)))
    }
}

/// Seed of a frame, of its choices and of the first of them.
struct FrameSeed<'a>(&'a Room);
struct ChoicesSeed<'a>(&'a Room);
struct ChoiceSeed<'a>(&'a Room);

impl<'de> DeserializeSeed<'de> for FrameSeed<'_> {
    type Value = Frame;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Frame, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FrameSeed<'_> {
    type Value = Frame;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Frame, A::Error> {
        let mut frame = Frame::default();
        while let Some(name) = fields.next_key::<String>()? {
            let field = match &*name {
                "choices" => {
                    frame.choices = fields.next_value_seed(ChoicesSeed(self.0))?;
                    continue;
                }
                "object" => &mut frame.object,
                "usage" => &mut frame.usage,
                "error" => &mut frame.error,
                "message" => &mut frame.message,
                "detail" => &mut frame.detail,
                "msg" => &mut frame.msg,
                "code" => &mut frame.code,
                "status" => &mut frame.status,
                "model" => &mut frame.model,
                "type" => &mut frame.kind,
                "system_fingerprint" => &mut frame.system_fingerprint,
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *field = fields.next_value_seed(Within(self.0))?;
        }
        Ok(frame)
    }
}

impl<'de> DeserializeSeed<'de> for ChoicesSeed<'_> {
    type Value = Choices;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Choices, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for ChoicesSeed<'_> {
    type Value = Choices;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of choices")
    }

    fn visit_none<E>(self) -> Result<Choices, E> {
        Ok(Choices::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Choices, D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Choices, A::Error> {
        let Some(first) = items.next_element_seed(ChoiceSeed(self.0))? else {
            return Ok(Choices::default());
        };
        let mut number = 1;
        while items.next_element::<IgnoredAny>()?.is_some() {
            number += 1;
        }
        Ok(Choices { first, number })
    }
}

impl<'de> DeserializeSeed<'de> for ChoiceSeed<'_> {
    type Value = Option<Choice>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for ChoiceSeed<'_> {
    type Value = Option<Choice>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a choice")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut choice = Choice::default();
        while let Some(name) = fields.next_key::<String>()? {
            let field = match &*name {
                "token_ids" => {
                    choice.token_ids = fields.next_value()?;
                    continue;
                }
                "delta" => &mut choice.delta,
                "message" => &mut choice.message,
                "text" => &mut choice.text,
                "finish_reason" => &mut choice.finish_reason,
                "error" => &mut choice.error,
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *field = fields.next_value_seed(Within(self.0))?;
        }
        Ok(Some(choice))
    }
}
