//! The `api!` macro: a message reads like Kafka's own schema, and this writes its code.

/// Declares one API: a request, its response, and the structs inside them.
///
/// A field reads `name: Type [versions] = default`. The versions are in Kafka's own spelling, `7+`
/// or `0-12`, and may be followed by `tag 0` for a tagged field and `null 3+` for a field that can be
/// null only from that version on. `must` in front marks a field whose loss would change the
/// meaning of the message: where it is set and the version has no such field, encoding is refused.
/// A field without versions is in all of them.
macro_rules! api {
    (
        $request:ident => $response:ident,
        key $key:literal, versions $min:literal - $max:literal $(, flexible $flex:literal +)?;
        $($structs:tt)*
    ) => {
        impl $crate::wire::Request for $request {
            const KEY: i16 = $key;
            const NAME: &'static str = {
                let (name, _) = stringify!($request).split_at(stringify!($request).len() - 7);
                name
            };
            const VERSIONS: std::ops::RangeInclusive<i16> = $min..=$max;
            const FLEXIBLE: i16 = api!(@or $($flex)?; i16::MAX);
            type Response = $response;
        }
        api! { @structs $($structs)* }
    };

    (@structs $(
        $(#[$meta:meta])*
        struct $name:ident {
            $( $(#[$doc:meta])* $field:ident : $ty:ty $([$($spec:tt)+])? $(= $default:expr)? ),* $(,)?
        }
    )*) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "the names are Kafka's own; what they do not say is documented")]
        pub struct $name { $( $(#[$doc])* pub $field: $ty ),* }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: api!(@or $($default)?; <$ty>::default()) ),* }
            }
        }

        impl $crate::wire::Struct for $name {}

        impl $crate::wire::Wire for $name {
            const TYPE: $crate::wire::Type = $crate::wire::Type::Struct(&[$(
                $crate::wire::Field {
                    name: stringify!($field),
                    spec: spec!($($($spec)+)?),
                    ty: <$ty as $crate::wire::Wire>::TYPE,
                    #[cfg(any(test, feature = "any"))]
                    default: |w| {
                        let default: $ty = api!(@or $($default)?; <$ty>::default());
                        $crate::wire::Wire::encode(&default, w);
                    },
                }
            ),*]);

            fn encode(&self, w: &mut $crate::wire::Writer) {
                let mut tags = 0;
                $(
                    let is_default = || self.$field == api!(@or $($default)?; <$ty>::default());
                    let spec = const { spec!($($($spec)+)?) };
                    tags += w.field(spec, stringify!($field), &self.$field, is_default);
                )*
                if w.flexible() {
                    w.uvarint(tags);
                    $(
                        let is_default = || self.$field == api!(@or $($default)?; <$ty>::default());
                        w.tagged(const { spec!($($($spec)+)?) }, &self.$field, is_default);
                    )*
                }
            }

            fn outcome(&self) -> $crate::wire::Outcome {
                let (own, parts) = ($crate::wire::Outcome::Nothing, $crate::wire::Outcome::Nothing);
                $( let (own, parts) = match self.$field.outcome() {
                    // Others are no verdict on the whole, such as `topic_config_error_code`.
                    code if <$ty as $crate::wire::Wire>::IS_ERROR => match stringify!($field) {
                        "error_code" => (own.and(code), parts),
                        _ => (own, parts),
                    },
                    part => (own, parts.and(part)),
                }; )*
                parts.within(own)
            }

            #[inline]
            fn decode(r: &mut $crate::wire::Reader<'_>) -> Result<Self, $crate::wire::DecodeError> {
                let v = r.version();
                $( let mut $field: $ty = match const { spec!($($($spec)+)?) } {
                    spec if spec.is_plain(v) => r.field(spec, stringify!($field))?,
                    _ => api!(@or $($default)?; <$ty>::default()),
                }; )*
                if r.flexible() {
                    r.tagged(|tag, r| {
                        $( if const { spec!($($($spec)+)?) }.is_tag(tag, v) {
                            $field = r.field(spec!($($($spec)+)?), stringify!($field))?;
                            return Ok(true);
                        } )*
                        Ok(false)
                    })?;
                }
                Ok(Self { $($field),* })
            }
        }

        #[cfg(any(test, feature = "any"))]
        impl $crate::wire::any::Any for $name {
            fn any(g: &mut $crate::wire::any::Gen) -> Self {
                let mut this = Self::default();
                $( if g.enter(spec!($($($spec)+)?)) {
                    this.$field = $crate::wire::any::Any::any(g);
                } )*
                this
            }
        }
    )* };

    (@or $given:expr; $fallback:expr) => { $given };
    (@or ; $fallback:expr) => { $fallback };
}

/// The versions of a field and what else stands beside them, as [`Spec`](crate::wire::Spec).
macro_rules! spec {
    () => { $crate::wire::Spec::ALL };
    (must $($rest:tt)*) => {
        $crate::wire::Spec { must: true, ..spec!($($rest)*) }
    };
    (tag $n:literal $($rest:tt)*) => {
        $crate::wire::Spec { tag: Some($n), ..spec!($($rest)*) }
    };
    (null $n:literal + $($rest:tt)*) => {
        $crate::wire::Spec { null: $n, ..spec!($($rest)*) }
    };
    ($lo:literal + $($rest:tt)*) => {
        $crate::wire::Spec { min: $lo, ..spec!($($rest)*) }
    };
    ($lo:literal - $hi:literal $($rest:tt)*) => {
        $crate::wire::Spec { min: $lo, max: $hi, ..spec!($($rest)*) }
    };
    ($only:literal $($rest:tt)*) => {
        $crate::wire::Spec { min: $only, max: $only, ..spec!($($rest)*) }
    };
}
pub(crate) use {api, spec};
