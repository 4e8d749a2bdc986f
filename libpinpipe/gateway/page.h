/* Turns the gateway's counters into a page for a browser, which reads /metrics by itself.
 * Never has data in it, nor anything from elsewhere.
 * Rules: docs/gateway.md, "Counters". */
#ifndef PP_GATEWAY_PAGE_H
#define PP_GATEWAY_PAGE_H

/** HTML. */
extern const char pp_gateway_page[];

#endif
