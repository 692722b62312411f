/** Owns how old a removal must be to be shown as one by whoever asks for the log or the files, in milliseconds. */
export const SETTLE_AGE_MS = 50;
