// What a video's id looks like.

/** @param {string} text */
export const isVideoId = (text) => /^[A-Za-z0-9_-]{1,64}$/.test(text);
