/* Requests to the service that the page comes from, and how its answers are written. */

export const MAX_NAME = 100;

export class ApiError extends Error {
  /* `retrySeconds` is after how long the same may succeed; 0 if the service does not say so. */
  constructor(what, advice, retrySeconds = 0) {
    super(what);
    this.advice = advice;
    this.retrySeconds = retrySeconds;
  }
}

export async function callApi(method, path, options = {}) {
  let response;
  try {
    response = await fetch(path, { method, ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The backend cannot be reached.", "Check that Servery is still running, then try again.");
  }
  if (response.status === 204) return null;
  let body;
  try {
    body = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The backend's response cannot be read.", "Try again.");
  }
  if (!response.ok) throw new ApiError(body.detail, body.advice, Number(response.headers.get("Retry-After")));
  return body;
}

/* An address with those parameters that are not empty. */
export function withQuery(path, parameters) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value)).toString();
  return query ? `${path}?${query}` : path;
}

/* A name as it may be shown: short, in one line, and with nothing in it that hides or turns what
   is around it, as the window and the command line show it. */
export function shown(name, limit = MAX_NAME) {
  const characters = Array.from(name);
  const text = characters.length > limit ? `${characters.slice(0, limit - 1).join("").trimEnd()}…` : name;
  return text
    .replace(/(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) => {
      if (character === "\n") return "\\n";
      const code = character.codePointAt(0);
      return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
    })
    .replace(/(\p{M}{4})\p{M}+/gu, "$1");
}

export function percent(share) {
  const value = Math.round(share * 100);
  if (value === 0 && share > 0) return "<1%";
  if (value === 100 && share < 1) return ">99%";
  return `${value}%`;
}

export function count(number, one, many = `${one}s`) {
  return number === 1 ? `1 ${one}` : `${number.toLocaleString("en")} ${many}`;
}
