/* Turns an OAUTHBEARER token into the key that signed it, or into the reason why MSK's IAM login would refuse it.
 * Never tells the client the reason, as MSK does not: it is a line on the broker's stderr.
 * Rules: AWS General Reference, "Signature Version 4" (presigned GET); what aws-msk-iam-auth's tokens look like. */

import java.lang.management.ManagementFactory;
import java.net.URI;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import javax.management.MBeanServer;
import javax.management.ObjectName;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.UnsupportedCallbackException;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerExtensionsValidatorCallback;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerTokenCallback;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallback;

/** Options of the JAAS entry: accessKey, secretKey, region; sessionToken; maxAgeS, an age at which tokens end early;
 * clockOffsetS, how far the services' clock is ahead of this machine's; role, a principal whose keys end: their id is the
 * option's value and the second at which they do, their secret the SHA-256 of secretKey and id. */
public final class IamValidator implements AuthenticateCallbackHandler {
    private static final String SERVICE = "kafka-cluster";
    private static final long EXPIRES_MAX_S = 900;
    private static final long AHEAD_MAX_S = 300;
    private static final List<String> COUNTS = List.of("successful-authentication", "successful-reauthentication",
            "failed-authentication", "failed-reauthentication");
    private static final DateTimeFormatter DATE = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'");

    private String key;
    private String secret;
    private String region;
    private String sessionToken;
    private long maxAgeS;
    private long clockOffsetS;
    private String role;
    private static final AtomicBoolean COUNTING = new AtomicBoolean();

    private static final class Refused extends Exception {
        private static final long serialVersionUID = 1;

        Refused(String reason) {
            super(reason);
        }
    }

    private record Token(String value, String principalName, Long startTimeMs, long lifetimeMs)
            implements OAuthBearerToken {
        @Override
        public Set<String> scope() {
            return Set.of();
        }
    }

    @Override
    public void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> entries) {
        Map<String, ?> options = entries.get(0).getOptions();
        key = (String) options.get("accessKey");
        secret = (String) options.get("secretKey");
        region = (String) options.get("region");
        sessionToken = (String) options.get("sessionToken");
        Object age = options.get("maxAgeS");
        maxAgeS = age == null ? EXPIRES_MAX_S : Long.parseLong((String) age);
        Object offset = options.get("clockOffsetS");
        clockOffsetS = offset == null ? 0 : Long.parseLong((String) offset);
        role = (String) options.get("role");
        if (COUNTING.compareAndSet(false, true)) {
            Thread counts = new Thread(IamValidator::countsSay, "iam-counts");
            counts.setDaemon(true);
            counts.start();
        }
    }

    @Override
    public void handle(Callback[] callbacks) throws UnsupportedCallbackException {
        for (Callback callback : callbacks) {
            if (callback instanceof OAuthBearerTokenCallback own) {
                own.token(null);
            } else if (callback instanceof OAuthBearerValidatorCallback asked) {
                judge(asked);
            } else if (callback instanceof OAuthBearerExtensionsValidatorCallback extensions) {
                extensions.inputExtensions().map().keySet().forEach(extensions::valid);
            } else {
                throw new UnsupportedCallbackException(callback);
            }
        }
    }

    @Override
    public void close() {
    }

    /* The broker's own counts of each listener, once a second. */
    private static void countsSay() {
        MBeanServer beans = ManagementFactory.getPlatformMBeanServer();
        try {
            ObjectName all = new ObjectName("kafka.server:type=socket-server-metrics,listener=*,networkProcessor=*");
            while (true) {
                Map<String, long[]> counts = new TreeMap<>();
                for (ObjectName bean : beans.queryNames(all, null)) {
                    long[] sums = counts.computeIfAbsent(bean.getKeyProperty("listener"), none -> new long[COUNTS.size()]);
                    for (int i = 0; i < sums.length; i++) {
                        sums[i] += ((Number) beans.getAttribute(bean, COUNTS.get(i) + "-total")).longValue();
                    }
                }
                counts.forEach((name, sums) -> System.err.println("iam-counts " + name + " " + Arrays.toString(sums)));
                Thread.sleep(1000);
            }
        } catch (Exception failure) {
            System.err.println("iam-counts failed: " + failure);
        }
    }

    private void judge(OAuthBearerValidatorCallback asked) {
        try {
            Token token = check(asked.tokenValue());
            asked.token(token);
            System.err.println("iam-validator accepted " + token.startTimeMs() / 1000);
        } catch (Refused refusal) {
            asked.error("invalid_token", null, null);
            System.err.println("iam-validator refused " + refusal.getMessage());
        } catch (Exception failure) {
            asked.error("invalid_token", null, null);
            System.err.println("iam-validator refused what it cannot read: " + failure);
        }
    }

    private static void require(boolean holds, String what) throws Refused {
        if (!holds) {
            throw new Refused(what);
        }
    }

    private static TreeMap<String, String> query(String raw) throws Refused {
        TreeMap<String, String> found = new TreeMap<>();
        for (String pair : raw.split("&")) {
            int at = pair.indexOf('=');
            require(at > 0, "a parameter without a value");
            String name = decode(pair.substring(0, at));
            require(found.put(name, decode(pair.substring(at + 1))) == null, "a parameter that comes twice");
        }
        return found;
    }

    private static String decode(String text) {
        return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
    }

    private static String encode(String text) {
        String form = URLEncoder.encode(text, StandardCharsets.UTF_8);
        return form.replace("+", "%20").replace("*", "%2A").replace("%7E", "~");
    }

    private Token check(String text) throws Exception {
        URI url = new URI(new String(Base64.getUrlDecoder().decode(text), StandardCharsets.UTF_8));
        String host = "kafka." + region + ".amazonaws.com";
        require(!text.endsWith("="), "padding");
        require("https".equals(url.getScheme()) && host.equals(url.getHost()), "the host " + url.getHost());
        require(url.getPath().isEmpty() || url.getPath().equals("/"), "the path");
        TreeMap<String, String> query = query(url.getRawQuery());
        String signature = query.remove("X-Amz-Signature");
        query.remove("User-Agent");
        require(signature != null, "no signature");
        require("kafka-cluster:Connect".equals(query.get("Action")), "the action");
        require("AWS4-HMAC-SHA256".equals(query.get("X-Amz-Algorithm")), "the algorithm");
        require("host".equals(query.get("X-Amz-SignedHeaders")), "the signed headers");
        String date = query.get("X-Amz-Date");
        String scope = date.substring(0, 8) + "/" + region + "/" + SERVICE + "/aws4_request";
        String credential = query.get("X-Amz-Credential");
        String id = role == null ? key : credential.substring(0, credential.indexOf('/'));
        require(id.startsWith(role == null ? key : role) && (id + "/" + scope).equals(credential), "the credential");
        String session = query.get("X-Amz-Security-Token");
        require(sessionToken == null ? session == null : sessionToken.equals(session), "the session token");
        long expiresS = Long.parseLong(query.get("X-Amz-Expires"));
        require(expiresS >= 1 && expiresS <= EXPIRES_MAX_S, "an expiry of " + expiresS + " s");
        long signedS = LocalDateTime.parse(date, DATE).toEpochSecond(ZoneOffset.UTC);
        long nowS = System.currentTimeMillis() / 1000 + clockOffsetS;
        long endS = signedS + Math.min(expiresS, maxAgeS);
        if (role != null) {
            long keyEndS = Long.parseLong(id.substring(role.length()));
            require(nowS < keyEndS, "a key that ended " + (nowS - keyEndS) + " s ago");
            require(signedS + expiresS <= keyEndS, "a token that outlives its key");
        }
        require(signedS <= nowS + AHEAD_MAX_S, "a date ahead");
        require(nowS < endS, "a token that ended " + (nowS - endS) + " s ago");
        byte[] expected = expected(role == null ? secret : sha256(secret + id), query, host, date, scope).getBytes(StandardCharsets.UTF_8);
        require(MessageDigest.isEqual(expected, signature.getBytes(StandardCharsets.UTF_8)), "the signature");
        return new Token(text, role == null ? key : role, (signedS - clockOffsetS) * 1000, (endS - clockOffsetS) * 1000);
    }

    private static String expected(String secret, TreeMap<String, String> query, String host, String date,
            String scope) throws Exception {
        StringBuilder sorted = new StringBuilder();
        query.forEach((name, value) -> sorted.append(sorted.isEmpty() ? "" : "&").append(encode(name))
                .append('=').append(encode(value)));
        String canonical = "GET\n/\n" + sorted + "\nhost:" + host + "\n\nhost\n" + sha256("");
        String toSign = "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + sha256(canonical);
        byte[] signing = ("AWS4" + secret).getBytes(StandardCharsets.UTF_8);
        for (String part : scope.split("/")) {
            signing = hmac(signing, part);
        }
        return HexFormat.of().formatHex(hmac(signing, toSign));
    }

    private static String sha256(String text) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        return HexFormat.of().formatHex(digest.digest(text.getBytes(StandardCharsets.UTF_8)));
    }

    private static byte[] hmac(byte[] key, String text) throws Exception {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
    }
}
