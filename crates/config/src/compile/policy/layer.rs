//! Merging of settings that come in layers, field by field.

use crate::policy::traffic::PolicySetting;

/// A value that a lower layer (a younger policy, or a wider target) can complete.
pub(super) trait PolicyLayer {
    /// Whether this layer sets anything.
    fn is_set(&self) -> bool;

    /// Takes from a lower layer what is not set here.
    fn inherit(&mut self, lower: &Self);
}

/// The result of merging a lower layer.
#[derive(Debug, Default)]
pub(super) struct LayerMerge {
    /// The number of fields that were taken from the lower layer.
    pub(super) taken: usize,
    /// The names of the fields that both layers set: those of the lower layer have no effect.
    pub(super) overridden: Vec<&'static str>,
}

impl<T: Clone> PolicyLayer for Option<T> {
    fn is_set(&self) -> bool {
        self.is_some()
    }

    fn inherit(&mut self, lower: &Self) {
        if self.is_none() {
            self.clone_from(lower);
        }
    }
}

impl<T: Clone> PolicyLayer for PolicySetting<T> {
    fn is_set(&self) -> bool {
        !self.is_unset()
    }

    fn inherit(&mut self, lower: &Self) {
        if self.is_unset() {
            self.clone_from(lower);
        }
    }
}

/// A switch that every layer can turn on.
impl PolicyLayer for bool {
    fn is_set(&self) -> bool {
        *self
    }

    fn inherit(&mut self, lower: &Self) {
        *self |= lower;
    }
}

/// Defines a struct whose fields are merged one by one. If every field has its name in the resource, a method `merge`
/// also reports the fields that are overridden.
macro_rules! policy_layer {
    ($(#[$meta:meta])* $visible:vis struct $name:ident {
        $($(#[$doc:meta])* $field_visible:vis $field:ident: $type:ty = $wire:literal,)*
    }) => {
        policy_layer! {
            $(#[$meta])*
            $visible struct $name {
                $(#[doc = concat!("`", $wire, "`.")] $(#[$doc])* $field_visible $field: $type,)*
            }
        }

        impl $name {
            /// Takes from a lower layer what is not set here, and reports the rest.
            $visible fn merge(&mut self, lower: &Self) -> LayerMerge {
                let mut merge = LayerMerge::default();
                $(match (self.$field.is_set(), lower.$field.is_set()) {
                    (true, true) => merge.overridden.push($wire),
                    (false, true) => merge.taken += 1,
                    (true | false, false) => {}
                })*
                self.inherit(lower);
                merge
            }
        }
    };
    ($(#[$meta:meta])* $visible:vis struct $name:ident {
        $($(#[$doc:meta])* $field_visible:vis $field:ident: $type:ty,)*
    }) => {
        $(#[$meta])*
        $visible struct $name {
            $($(#[$doc])* $field_visible $field: $type,)*
        }

        impl PolicyLayer for $name {
            fn is_set(&self) -> bool {
                [$(self.$field.is_set()),*].contains(&true)
            }

            fn inherit(&mut self, lower: &Self) {
                $(self.$field.inherit(&lower.$field);)*
            }
        }
    };
}

pub(super) use policy_layer;
