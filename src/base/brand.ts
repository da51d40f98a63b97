declare const brand: unique symbol

/** A value that has passed the one parsing door of its kind; only that door may cast to it. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }
