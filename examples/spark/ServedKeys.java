import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Base64;
import java.util.HexFormat;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.crypto.KeyAccessDeniedException;
import org.apache.parquet.crypto.keytools.KmsClient;

/**
 * Keys of encrypted Parquet files, from a running `reconciler serve`: what Spark (and every parquet-java reader) asks.
 *
 * <p>parquet.encryption.kms.client.class=ServedKeys, served.keys.endpoint, served.keys.region; the access key comes from
 * AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. A wrapped key is text: base64 of the encryption context (JSON), a dot,
 * base64 of the ciphertext. Files that are written here have the context of served.keys.context (JSON).
 */
public class ServedKeys implements KmsClient {
  private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'");
  private final HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private URI endpoint;
  private String region;
  private String context;

  @Override
  public void initialize(Configuration conf, String instance, String url, String token) {
    endpoint = URI.create(conf.get("served.keys.endpoint") + "/");
    region = conf.get("served.keys.region", "eu-west-1");
    context = conf.get("served.keys.context", "{}");
  }

  @Override
  public String wrapKey(byte[] key, String masterKey) {
    String request =
        "{\"KeyId\":\"" + masterKey + "\",\"Plaintext\":\"" + Base64.getEncoder().encodeToString(key)
            + "\",\"EncryptionContext\":" + context + "}";
    String said = Base64.getEncoder().encodeToString(context.getBytes(StandardCharsets.UTF_8));
    return said + "." + field(ask("Encrypt", request), "CiphertextBlob");
  }

  @Override
  public byte[] unwrapKey(String wrapped, String masterKey) {
    int dot = wrapped.lastIndexOf('.');
    String said = dot < 0 ? "{}" : new String(Base64.getDecoder().decode(wrapped.substring(0, dot)), StandardCharsets.UTF_8);
    String request =
        "{\"KeyId\":\"" + masterKey + "\",\"CiphertextBlob\":\"" + wrapped.substring(dot + 1)
            + "\",\"EncryptionContext\":" + said + "}";
    return Base64.getDecoder().decode(field(ask("Decrypt", request), "Plaintext"));
  }

  private String ask(String operation, String body) {
    try {
      String now = ZonedDateTime.now(ZoneOffset.UTC).format(TIME);
      String host = endpoint.getHost() + ":" + endpoint.getPort();
      String target = "TrentService." + operation;
      String headers =
          "content-type:application/x-amz-json-1.1\nhost:" + host + "\nx-amz-date:" + now + "\nx-amz-target:" + target + "\n";
      String names = "content-type;host;x-amz-date;x-amz-target";
      String canonical = "POST\n/\n\n" + headers + "\n" + names + "\n" + hash(body);
      String day = now.substring(0, 8);
      String scope = day + "/" + region + "/kms/aws4_request";
      String signed = "AWS4-HMAC-SHA256\n" + now + "\n" + scope + "\n" + hash(canonical);
      byte[] key = ("AWS4" + System.getenv("AWS_SECRET_ACCESS_KEY")).getBytes(StandardCharsets.UTF_8);
      for (String part : new String[] {day, region, "kms", "aws4_request"}) {
        key = mac(key, part);
      }
      String authorization =
          "AWS4-HMAC-SHA256 Credential=" + System.getenv("AWS_ACCESS_KEY_ID") + "/" + scope + ", SignedHeaders=" + names
              + ", Signature=" + HexFormat.of().formatHex(mac(key, signed));
      HttpRequest request =
          HttpRequest.newBuilder(endpoint)
              .header("Content-Type", "application/x-amz-json-1.1")
              .header("X-Amz-Date", now)
              .header("X-Amz-Target", target)
              .header("Authorization", authorization)
              .POST(HttpRequest.BodyPublishers.ofString(body))
              .build();
      HttpResponse<String> answer = http.send(request, HttpResponse.BodyHandlers.ofString());
      if (answer.statusCode() != 200) {
        throw new KeyAccessDeniedException("kms:" + operation + ": " + answer.body());
      }
      return answer.body();
    } catch (KeyAccessDeniedException refused) {
      throw refused;
    } catch (Exception failed) {
      throw new KeyAccessDeniedException("kms:" + operation, failed);
    }
  }

  private static String field(String json, String name) {
    Matcher found = Pattern.compile("\"" + name + "\"\\s*:\\s*\"([^\"]*)\"").matcher(json);
    if (!found.find()) {
      throw new KeyAccessDeniedException("the key service answered without " + name);
    }
    return found.group(1);
  }

  private static byte[] mac(byte[] key, String text) throws Exception {
    Mac mac = Mac.getInstance("HmacSHA256");
    mac.init(new SecretKeySpec(key, "HmacSHA256"));
    return mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
  }

  private static String hash(String text) throws Exception {
    byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
    return HexFormat.of().formatHex(digest);
  }
}
